"""How fast the codecs are, beside everything else that could read and write the same documents."""
