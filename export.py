#!/usr/bin/env python3
"""Export a VMamba model: the same as `vmamba-deploy export`."""

from vmamba_deploy.cli import main

if __name__ == "__main__":
    main(command="export")
