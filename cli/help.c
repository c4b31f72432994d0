// SPDX-License-Identifier: GPL-2.0-or-later
/* Help texts. See help.h. */
#include "cli/help.h"

#include <string.h>

static const char first_steps[] =
	"First steps:\n"
	"  vnet define lab --mode nat\n"
	"  vnet run --network lab --name MyVM -- qemu-system-x86_64 -m 1G "
	"disk.qcow2\n"
	"  vnet ip MyVM --wait 60\n"
	"  vnet forward add lab tcp:2222:MyVM:22\n"
	"\n"
	"`vnet help COMMAND` shows a command's options and examples.\n"
	"Exit status: 0 done, 1 refused, 2 wrong usage, 3 vnetd cannot be "
	"reached.\n";

void help_usage(FILE *f, const struct cli_cmd *cmd)
{
	char text[256];

	fprintf(f, "usage: vnet %s%s\n", cmd->name,
		args_usage(&cmd->spec, text, sizeof(text)));
}

/* Width of the widest "--name ARG" in @o. */
static size_t opt_width(const struct opt *o)
{
	size_t width = 0;

	for (; o && o->name; o++) {
		size_t len = strlen(o->name) + 2 +
			     (o->arg ? strlen(o->arg) + 1 : 0);

		width = max_sz(width, len);
	}
	return width;
}

/* ---- paragraphs ----------------------------------------------------------- */

#define WIDTH 79

/* Print the words of @p (up to @len) as lines of at most WIDTH characters, going
 * on at column @col. Returns the column reached. */
static size_t fill(FILE *f, const char *p, size_t len, size_t col)
{
	const char *end = p + len;

	while (p < end) {
		size_t n = strcspn(p, " \n");

		n = min_sz(n, (size_t)(end - p));
		if (n && col && col + 1 + n > WIDTH) {
			fputc('\n', f);
			col = 0;
		}
		if (n)
			col += (size_t)fprintf(f, "%s%.*s", col ? " " : "",
					       (int)n, p);
		p += n + 1;
	}
	return col;
}

/* Text in which lines without indent are one paragraph up to an empty or an
 * indented line; indented lines stay as they are. */
static void print_text(FILE *f, const char *text)
{
	size_t col = 0;

	while (*text) {
		size_t len = strcspn(text, "\n");

		if (len && *text != ' ') {
			col = fill(f, text, len, col);
		} else {
			fprintf(f, "%s%.*s\n", col ? "\n" : "", (int)len,
				text);
			col = 0;
		}
		text += len + (text[len] == '\n');
	}
	if (col)
		fputc('\n', f);
}

/* ---- commands ------------------------------------------------------------- */

/* Two columns; where the left one is too wide the right begins a new line. */
#define LEFT_MAX 26

static void print_options(FILE *f, const struct opt *o)
{
	size_t width = min_sz(opt_width(o), LEFT_MAX);

	for (; o && o->name; o++) {
		char left[96];

		snprintf(left, sizeof(left), "--%s%s%s", o->name,
			 o->arg ? " " : "", o->arg ? o->arg : "");
		if (strlen(left) > width)
			fprintf(f, "  %s\n  %*s", left, (int)width, "");
		else
			fprintf(f, "  %-*s", (int)width, left);
		fprintf(f, "  %s\n", o->help);
	}
}

void help_overview(FILE *f, const struct help_section *s,
		   const struct opt *globals)
{
	fputs("vnet - networks for virtual machines\n\n"
	      "usage: vnet COMMAND [ARGUMENTS] [--json] [--socket PATH]\n", f);
	for (; s->title; s++) {
		if (*s->title)
			fprintf(f, "\n%s\n", s->title);
		for (const struct cli_cmd *c = s->cmds; c->name; c++)
			fprintf(f, "  %-14s  %s\n", c->name, c->summary);
	}
	fputs("\nWith every command\n", f);
	print_options(f, globals);
	fprintf(f, "\n%s", first_steps);
}

void help_command(FILE *f, const struct cli_cmd *cmd,
		  const struct opt *globals)
{
	fprintf(f, "vnet %s - %s\n\n", cmd->name, cmd->summary);
	help_usage(f, cmd);
	fputc('\n', f);
	print_text(f, cmd->help);
	if (cmd->spec.opts) {
		fputs("\nOptions:\n", f);
		print_options(f, cmd->spec.opts);
	}
	fputs("\nWith every command:\n", f);
	print_options(f, globals);
}
