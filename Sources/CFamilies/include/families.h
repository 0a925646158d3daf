#pragma once
/* The text of a built-in family's recipe, protocols/models/NAME.yaml, and its length in bytes; NULL when there is none
   of that name. */
const char *cf_recipe(const char *name, long *count);
