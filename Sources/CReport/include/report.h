#pragma once
/* The report's template, style sheet and scripts, compiled into the program; each returns its bytes and their number.
   */
const char *report_html(long *count);
const char *report_css(long *count);
const char *report_script(long *count);
