/* Computes what can be computed before the program runs. */
#ifndef FOLD_H
#define FOLD_H

#include "ast.h"

/* Replaces operators whose operands are numbers by their results, in all statements. */
void fold_program(Stmt *first);
void fold_expr(Expr *expr);

#endif
