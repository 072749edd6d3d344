"""The simulator: the whole daemon on a virtual clock, with faults drawn from a seed and invariants that are watched."""
