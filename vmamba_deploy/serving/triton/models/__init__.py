"""The model.py files that a package puts beside config.pbtxt, run by Triton's Python back end.

They are copied into the repository and find vmamba_deploy in the server's Python.
"""
