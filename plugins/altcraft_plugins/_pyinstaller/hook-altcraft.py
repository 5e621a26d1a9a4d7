"""What a program with `altcraft` in it loads by name: the bundled transports, and the plugins with an entry point."""

from PyInstaller.utils.hooks import collect_entry_point, collect_submodules

# A transport whose library is not installed is packed too: the program then says which extra is missing.
datas, hiddenimports = collect_entry_point("altcraft")
hiddenimports += collect_submodules("altcraft_transports", on_error="ignore")
