"""Prints Sources/CKernels/forms/watson_tables.h, from exact rationals.

    python3 Tests/DiffusionTests/references/watson_tables.py > Sources/CKernels/forms/watson_tables.h
"""
from fractions import Fraction as F
from math import comb

STEPS, TERMS, FEW = 80, 17, 31


def recurrence(l):
    """r_l = 2k(l-1)/(2l-1) / {(2l+1)[1 - 2k/((2l+3)(2l-1))] + 2k(l+2)/(2l+3) r_(l+2)} for S_l = R_l/k^(l/2)."""
    n = F(2 * (l - 1), 2 * l - 1)
    return F(2 * l + 1) / n, -F(2 * (2 * l + 1), (2 * l + 3) * (2 * l - 1)) / n, F(2 * (l + 2), 2 * l + 3) / n


def half(m):
    return F(comb(2 * m, m), 4**m)


def chebyshev():
    """T_k(s) in powers of s."""
    t = [[F(1)], [F(0), F(1)]]
    for k in range(2, TERMS):
        new = [F(0)] + [2 * v for v in t[k - 1]]
        for i, v in enumerate(t[k - 2]):
            new[i] -= v
        t.append(new)
    return t


def powers():
    """P_l(cos a) = sum over m of half(m) half(l-m) cos((l-2m) a), and cos(2k a) = T_k(2 cos^2 a - 1)."""
    t, rows = chebyshev(), []
    for j in range(TERMS):
        row = [F(0)] * (j + 1)
        for m in range(2 * j + 1):
            for i, v in enumerate(t[abs(j - m)]):
                row[i] += half(m) * half(2 * j - m) * v
        rows.append(row)
    return rows


def put(declaration, values, width=150):
    print(declaration + " = {")
    line = "   "
    for value in values:
        text = f" {float(value)!r},"
        if len(line) + len(text) > width:
            print(line)
            line = "   "
        line += text
    print(line + "\n};")


print("/* Numbers of watson.c: rationals to the nearest double. Tests/DiffusionTests/references/watson_tables.py printed them. */\n#pragma once\n")
print("/* S_(l−2) = (first + second κ) S_l + third κ² S_(l+2), l = 2, 4 … : three numbers each. */")
print(f"enum {{ RECURRENCE_STEPS = {STEPS} }};")
put("static const double recurrence[3 * RECURRENCE_STEPS]", [x for j in range(1, STEPS + 1) for x in recurrence(2 * j)])
print("/* |P_l(0)|, l = 0, 2, 4 … */")
put(f"static const double legendre_at_zero[{FEW}]", [half(j) for j in range(FEW)])
print("/* P_l(c) = Σ_k row_k s^k, s = 2c² − 1, k ≤ l/2: the rows of l = 0, 2 … one after the other. */")
put("static const double legendre_powers[]", [v for row in powers() for v in row])
