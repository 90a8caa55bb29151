"""The bytes of torrents on disk: reading a source tree, writing pieces into files, checking what is there."""
