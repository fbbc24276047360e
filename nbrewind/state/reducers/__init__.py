"""How to save and compare what pickle refuses: a module per library, imported once that library is.

A reducer gives the name of a function here and its arguments; like those of `nbrewind.state.rebuild`, these names are
part of the file format.
"""
