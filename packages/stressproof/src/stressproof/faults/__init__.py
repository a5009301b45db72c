"""Breaking things on purpose: the proxy and its toxics, injectors with witnesses, trials.

Nothing here is believed because it was asked for. Every fault has a *witness*, something measured
that could not be so had the fault taken no effect; without one the run says nothing.
"""
