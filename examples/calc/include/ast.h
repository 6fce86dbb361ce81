/* Programs as trees. */
#ifndef AST_H
#define AST_H

#include "arena.h"
#include "token.h"
#include "value.h"

typedef struct Expr Expr;
typedef struct Stmt Stmt;

typedef enum { EXPR_LITERAL, EXPR_NAME, EXPR_ASSIGN, EXPR_UNARY, EXPR_BINARY, EXPR_LOGIC, EXPR_CALL } ExprKind;

struct Expr {
    ExprKind kind;
    int line;
    TokenKind op;      /* unary, binary, logic */
    Value value;       /* literal */
    Text name;         /* name, assign */
    Expr *left, *right; /* operands; unary, assign: right; call: left is the callee, right the first argument */
    Expr *next;        /* the next argument of the same call */
    int count;         /* call: number of arguments */
};

typedef enum { STMT_EXPR, STMT_LET, STMT_FN, STMT_RETURN, STMT_IF, STMT_WHILE, STMT_BLOCK } StmtKind;

typedef struct Param {
    Text name;
    struct Param *next;
} Param;

struct Stmt {
    StmtKind kind;
    int line;
    Text name;         /* let, fn */
    Expr *expr;        /* the expression or condition; of a return NULL if there is none */
    Param *params;     /* fn */
    int count;         /* fn: number of parameters */
    Stmt *body, *other; /* first statement of the body or block, and of `else` */
    Stmt *next;        /* the next statement of the same list */
};

Expr *ast_expr(Arena *arena, ExprKind kind, int line);
Expr *ast_literal(Arena *arena, Value value, int line);
Stmt *ast_stmt(Arena *arena, StmtKind kind, int line);
/* Appends an expression in prefix notation: `(+ 1 (* 2 x))`. */
void ast_write_expr(Strbuf *buffer, const Expr *expr);

#endif
