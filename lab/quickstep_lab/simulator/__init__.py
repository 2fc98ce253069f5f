"""The simulator: hours of traffic in seconds, in virtual time.

    traffic -> fleet -> metric -> alarms -> scaler -> desired count
                 ^                                         |
                 +-----------------------------------------+

The scaler is the real cycle with the real engine and a real policy document, on ports in memory;
its rivals are models. Each modelled number says so where it is defined.
"""
