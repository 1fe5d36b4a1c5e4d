"""Pages for people: sentences, tables and pictures of a scored file, in English, French and German."""
