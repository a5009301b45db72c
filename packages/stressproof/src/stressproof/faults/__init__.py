"""Breaking things on purpose: toxics, the proxy, injectors, witnesses, scenarios, invariants.

Nothing here is believed because it was asked for. Every fault has a *witness*, something measured
that could not be so had the fault not bitten; without one the run says nothing.
"""
