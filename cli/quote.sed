# Makes each line of a text a string literal of C.
s/["\\]/\\&/g
s/.*/"&\\n"/
