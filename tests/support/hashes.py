"""Owns hashes of the password `secret` that libxcrypt made, a form each."""

HASHES = {
    "bcrypt": "$2b$04$WUHhXETkX0fnYkrqZU3ta.V/MhsBGVkvl.skVEhBTiEdihFBnDQOa",
    "htpasswd's bcrypt": "$2y$10$WUHhXETkX0fnYkrqZU3ta.V9.49rifvf/ZIyG7rWcj0LfwXfqzMXm",
    "SHA-512 crypt": "$6$V7qMYJaNbVKOeh4P$v1TccBL3GYE945hru3koMlBAsr0IOPKddqg3W.0lWytKSwsdubWiWWfz6.WPgO4EfX"
    "Y.b0GYFI03hBoDS1WZ9/",
    "yescrypt": "$y$j9T$V7qMYJaNbVKOeh4PhtqPk/$hJwCJdTkn9AseI9yQVrRlHPr.MsAEPsSuYrOpEFYJR4",
}
