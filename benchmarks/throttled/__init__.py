"""Many targets that surge at once in an account with AWS's limits on calls, in virtual time.

    fleets -> alarms' events -> the real door and cycle -> calls, each out of its bucket
                                        |      ^
                                        queue, with its delays

Only time is modelled: an evaluation is instantaneous except for the pauses in which the SDK
retries a throttled call, and evaluations of all targets may overlap there. A throttled call takes
nothing out of its bucket. Messages arrive after their delay, in whole seconds, and a little more.
"""
