#pragma clang diagnostic ignored "-Wc23-extensions" /* #embed */
#include "include/families.h"
#include <string.h>

static const unsigned char gaussian[] = {
#embed "../../protocols/models/gaussian.yaml"
};
static const unsigned char tissue[] = {
#embed "../../protocols/models/tissue.yaml"
};
static const unsigned char sandi[] = {
#embed "../../protocols/models/sandi.yaml"
};
static const unsigned char microstructure[] = {
#embed "../../protocols/models/microstructure.yaml"
};
static const unsigned char noddi[] = {
#embed "../../protocols/models/noddi.yaml"
};
static const struct { const char *name; const unsigned char *text; long count; } recipes[] = {
    {"gaussian", gaussian, sizeof gaussian},
    {"tissue", tissue, sizeof tissue},
    {"noddi", noddi, sizeof noddi},
    {"sandi", sandi, sizeof sandi},
    {"microstructure", microstructure, sizeof microstructure},
};

const char *cf_recipe(const char *name, long *count) {
    for (unsigned i = 0; i < sizeof recipes / sizeof *recipes; i++) {
        if (strcmp(recipes[i].name, name)) continue;
        *count = recipes[i].count;
        return (const char *)recipes[i].text;
    }
    return 0;
}
