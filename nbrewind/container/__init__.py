"""The notebook container: packing, opening, verifying, describing. Knows records and files, no kernel.

What was made by others is data in here: nothing of a container is executed, imported or unpickled. `manifest` says what
a container holds, `names` what a member may be called, `archive` reads members from a zip, a folder or the web,
`storing` writes them; `choose` decides what goes in, `pack` and `opening` put it together.
"""
