"""Limiters: who may call a model when.

Both follow one rule. Requests and input tokens each have a rate, enforced by the generic cell rate
algorithm (ITU-T I.371) with a tolerance of `BURST_SECONDS`. A call that must wait is told how long and
has its place reserved. The rates are scaled by a factor which a 429 halves and time restores: additive
increase, multiplicative decrease (Chiu and Jain 1989, doi:10.1016/0169-7552(89)90019-6). A 429's
Retry-After stops every call to the model until then.
"""
