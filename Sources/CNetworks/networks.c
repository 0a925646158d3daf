#pragma clang diagnostic ignored "-Wc23-extensions" /* #embed */
#include "include/CNetworks.h"
#include <string.h>

_Alignas(64) static const unsigned char ball_sticks[] = {
#embed "ball-sticks.safetensors"
};
_Alignas(64) static const unsigned char tissue[] = {
#embed "tissue.safetensors"
};
_Alignas(64) static const unsigned char tissue_timed[] = {
#embed "tissue-timed.safetensors"
};
_Alignas(64) static const unsigned char gaussian[] = {
#embed "gaussian.safetensors"
};
_Alignas(64) static const unsigned char microstructure[] = {
#embed "microstructure.safetensors"
};
static const struct { const char *family; const unsigned char *image; long count; } networks[] = {
    {"ball-sticks", ball_sticks, sizeof ball_sticks},
    {"tissue", tissue, sizeof tissue},
    {"tissue-timed", tissue_timed, sizeof tissue_timed},
    {"gaussian", gaussian, sizeof gaussian},
    {"microstructure", microstructure, sizeof microstructure},
};

const void *pk_built_in_network(const char *family, long *count) {
    for (unsigned i = 0; i < sizeof networks / sizeof *networks; i++) {
        if (strcmp(networks[i].family, family)) continue;
        *count = networks[i].count;
        return networks[i].image;
    }
    return 0;
}
