/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command line of one command, read by a declaration: which options there
 * are, what values they take, which words are expected. Pure: no output, no exit.
 * Every refusal says what would have been right.
 */
#ifndef VNET_CLI_ARGS_H
#define VNET_CLI_ARGS_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/errtext.h"

#define ARGS_OPTS_MAX 32
#define ARGS_POS_MAX  8

enum opt_kind {
	OPT_TEXT,
	OPT_INT,    /* decimal, from min to max */
	OPT_CHOICE, /* one of the words in the metavariable: "on|off" */
	OPT_MAC,
	OPT_IP,	 /* IPv4 or IPv6 */
	OPT_NET, /* IPv4 prefix */
};

struct opt {
	const char *name; /* without dashes */
	const char *arg;  /* metavariable; NULL for a flag */
	const char *help; /* one line for --help */
	enum opt_kind kind;
	bool need; /* refuse a command line without it */
	long min, max;
};

struct arg_spec {
	/* Words expected, by metavariable: "NET [ADDR]"; brackets make one
	 * optional, lower case with a bar is a choice: "up|down". NULL: none. */
	const char *pos;
	/* Takes another program's command line (after "--", or from the first
	 * word that is not ours), called this in the usage. NULL: no. */
	const char *tail;
	const struct opt *opts; /* ends with a zero name; may be NULL */
	/* The tail is words of ours; in brackets there may be none. */
	bool words;
};

struct args {
	const struct arg_spec *spec;
	const struct opt *globals;
	const char *val[ARGS_OPTS_MAX]; /* of spec->opts; "" for a flag given */
	const char *gval[ARGS_OPTS_MAX]; /* of globals */
	const char *pos[ARGS_POS_MAX];	 /* borrowed from argv */
	size_t npos;
	char **tail; /* into argv; NULL-terminated as argv is */
	size_t ntail;
};

/**
 * args_parse() - Read @argv[0..argc-1], the words behind the command's name
 * @globals: options valid with every command
 *
 * -h stands for --help and -V for --version. What is missing is not looked at:
 * see args_check(). Return: 0 or -EINVAL with @why.
 */
int args_parse(struct args *a, const struct arg_spec *spec,
	       const struct opt *globals, int argc, char **argv,
	       struct errtext *why);

/* Is everything there that must be? 0 or -EINVAL. */
int args_check(const struct args *a, struct errtext *why);

/* Value of an option that the spec or the globals declare; NULL when it was not
 * given. args_int() returns @absent then. */
const char *args_get(const struct args *a, const char *name);
bool args_flag(const struct args *a, const char *name);
long args_int(const struct args *a, const char *name, long absent);
/* A positional; NULL when it was left out. */
const char *args_pos(const struct args *a, size_t i);

/* "NAME --mode nat|bridged [options]" into @out. */
char *args_usage(const struct arg_spec *spec, char *out, size_t cap);

/**
 * args_nearest() - The word a person probably meant
 * @next: called with @arg until it returns NULL
 *
 * Return: the candidate with the smallest edit distance, if that is small for
 * the word's length; else NULL.
 */
const char *args_nearest(const char *word, const char *(*next)(void *arg),
			 void *arg);

/* Decimal number without sign or blanks, in [min, max]; -EINVAL otherwise. */
int args_number(const char *s, long min, long max, long *out);

#endif
