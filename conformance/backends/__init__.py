"""The adapters that come with the suite, one file each."""
