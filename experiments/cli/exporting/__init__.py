"""`evenhand export`: the whole store as files, and how such files are read again."""
