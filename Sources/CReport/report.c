#pragma clang diagnostic ignored "-Wc23-extensions" /* #embed */
#include "include/report.h"

static const char html[] = {
#embed "page.html"
};

static const char css[] = {
#embed "page.css"
};

/* One script in the page: later files use what earlier ones define. */
static const char script[] = {
#embed "numbers.js"
,
#embed "colours.js"
,
#embed "volume.js"
,
#embed "slices.js"
,
#embed "charts.js"
,
#embed "viewer.js"
,
#embed "voxel.js"
,
#embed "residuals.js"
,
#embed "page.js"
};

const char *report_html(long *count) { *count = sizeof html; return html; }
const char *report_css(long *count) { *count = sizeof css; return css; }
const char *report_script(long *count) { *count = sizeof script; return script; }
