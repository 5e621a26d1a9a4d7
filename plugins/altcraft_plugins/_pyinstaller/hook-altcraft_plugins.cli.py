"""What the command line loads by name: the sandbox's server, the receiver of webhooks, and the version."""

from PyInstaller.utils.hooks import collect_submodules, copy_metadata

hiddenimports = collect_submodules("altcraft_plugins", on_error="ignore")
datas = copy_metadata("altcraft-client")
