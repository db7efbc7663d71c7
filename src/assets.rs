//! Boot assets: the boot loaders that machines start with, fetched from Debian packages and verified.
