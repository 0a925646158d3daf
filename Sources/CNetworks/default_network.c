#pragma clang diagnostic ignored "-Wc23-extensions" /* #embed */
#include "include/CNetworks.h"

_Alignas(64) static const unsigned char network[] = {
#embed "default-network.safetensors"
};

const void *pk_default_network(long *count) {
    *count = sizeof network;
    return network;
}
