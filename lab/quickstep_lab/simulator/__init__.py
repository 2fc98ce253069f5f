"""The simulator: hours of traffic in seconds, in virtual time.

    traffic -> fleet -> metric -> alarms -> scaler -> desired count
                 ^                                         |
                 +-----------------------------------------+

The scaler is the real cycle with the real engine and a real policy document, on ports in memory;
the alternatives are models. What is modelled is written beside each number.
"""
