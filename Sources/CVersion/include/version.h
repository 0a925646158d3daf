#ifndef PRISM_VERSION_H
#define PRISM_VERSION_H

/* The commit that the program was built from, 12 digits, with a + where files had been changed since; empty where it
 * was built outside a checkout. Package.swift asks git. */
const char *prism_commit(void);

#endif
