"""Writes compartments.txt beside this file: attenuations of compartments to 15 digits, by mpmath (some minutes).

Each by its definition and by another way than the package's: dispersed signals by adaptive quadrature over the sphere's two angles, restricted
diffusion by the series with forty zeros found here. One line a case: compartment, numbers of p, b (s/mm^2), g, delta and Delta (ms, 0: none), A.

    python3 Tests/DiffusionTests/references/compartments.py
"""
import os
import random

import mpmath as mp

mp.mp.dps = 25
draw = random.Random(20)
NODES = {}


def nodes(n):
    """Gauss-Legendre on [0, 1]."""
    if n not in NODES:
        found = []
        for i in range(1, n + 1):
            x = mp.cos(mp.pi * (i - mp.mpf(1) / 4) / (n + mp.mpf(1) / 2))
            for _ in range(8):
                before, value = mp.mpf(1), x
                for l in range(2, n + 1):
                    before, value = value, ((2 * l - 1) * x * value - (l - 1) * before) / l
                slope = n * (x * value - before) / (x * x - 1)
                x -= value / slope
            found.append(((x + 1) / 2, 1 / ((1 - x * x) * slope * slope)))
        NODES[n] = found
    return NODES[n]


def average(kappa, beta, terms, g):
    """Sum of w <exp(-p - x (g.n)^2)> over n of density exp(kappa n1^2 + beta n2^2); a term is (w, p, x, whether the tensor is averaged)."""
    total, squares, sums = mp.mpf(0), [mp.mpf(0)] * 3, [mp.mpf(0)] * len(terms)
    angles = 96
    circle = [(mp.cos((k + mp.mpf(1) / 2) * 2 * mp.pi / angles), mp.sin((k + mp.mpf(1) / 2) * 2 * mp.pi / angles)) for k in range(angles)]
    for t, size in nodes(48):
        r = mp.sqrt(1 - t * t)
        for c, s in circle:
            n = (t, r * c, r * s)
            w = size * mp.exp(kappa * n[0] ** 2 + beta * n[1] ** 2 - max(kappa, beta, 0))
            total += w
            for i in range(3):
                squares[i] += w * n[i] ** 2
            dot = sum(a * b for a, b in zip(g, n)) ** 2
            for i, (_, p, x, averaged) in enumerate(terms):
                if not averaged:
                    sums[i] += w * mp.exp(-p - x * dot)
    value = mp.mpf(0)
    for i, (w, p, x, averaged) in enumerate(terms):
        value += w * (mp.exp(-p - x * sum(q * c * c for q, c in zip(squares, g)) / total) if averaged else sums[i] / total)
    return value


def zeros(lost, count=40):
    """Of the derivative of the spherical Bessel function j1 (lost 2) or of J1 (lost 1)."""
    if lost == 1:
        slope = lambda x: mp.besselj(0, x) - mp.besselj(1, x) / x
    else:
        slope = lambda x: (x * x - 2) * mp.sin(x) + 2 * x * mp.cos(x)
    found, x = [], mp.mpf(1)
    while len(found) < count:
        if slope(x) * slope(x + mp.mpf(1) / 2) < 0:
            found.append(mp.findroot(slope, (x, x + mp.mpf(1) / 2), solver="anderson"))
        x += mp.mpf(1) / 2
    return found


ZEROS = {1: zeros(1), 2: zeros(2)}


def restricted(lost, radius, diffusivity, b, small, big):
    gamma = mp.mpf("267.52218744e6")
    small, big, radius, d = small * mp.mpf("1e-3"), big * mp.mpf("1e-3"), radius * mp.mpf("1e-6"), diffusivity * mp.mpf("1e-6")
    gradient = mp.sqrt(b * mp.mpf("1e6") / (gamma ** 2 * small ** 2 * (big - small / 3)))
    total = mp.mpf(0)
    for x in ZEROS[lost]:
        a = x / radius
        s = d * a * a
        bracket = 2 * s * small - 2 + 2 * mp.exp(-s * small) + 2 * mp.exp(-s * big) - mp.exp(-s * (big - small)) - mp.exp(-s * (big + small))
        total += bracket / (s * s * a * a * (x * x - lost))
    return 2 * gamma ** 2 * gradient ** 2 * total


def unit():
    while True:
        v = [draw.uniform(-1, 1) for _ in range(3)]
        n = sum(c * c for c in v) ** 0.5
        if 0.1 < n < 1:
            return [c / n for c in v]


def quaternion():
    v = [draw.gauss(0, 1) for _ in range(4)]
    n = sum(c * c for c in v) ** 0.5
    return [c / n for c in v]


def columns(q):
    w, x, y, z = q
    return ((1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)), (2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x)),
            (2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)))


def dot(a, b):
    return sum(x * y for x, y in zip(a, b))


def perpendicular(mu):
    e = [1.0, 0, 0] if abs(mu[0]) < 0.6 else [0, 1.0, 0]
    e = [a - dot(e, mu) * m for a, m in zip(e, mu)]
    n = dot(e, e) ** 0.5
    e = [a / n for a in e]
    return e, [mu[1] * e[2] - mu[2] * e[1], mu[2] * e[0] - mu[0] * e[2], mu[0] * e[1] - mu[1] * e[0]]


def log_uniform(low, high):
    return mp.exp(draw.uniform(mp.log(low), mp.log(high)))


rows = []


def add(name, p, b, g, timing, value):
    rows.append(" ".join([name] + [mp.nstr(mp.mpf(x), 17) for x in p] + [mp.nstr(mp.mpf(b), 17)] + [mp.nstr(mp.mpf(x), 17) for x in g]
                         + [str(t) for t in timing] + [mp.nstr(value, 15)]))


EDGE = [0.02, 0.0201, 0.03, 0.5, 0.99]
for case in range(40):
    odi = EDGE[case] if case < len(EDGE) else draw.uniform(0.02, 0.99)
    kappa = 1 / mp.tan(mp.pi / 2 * odi)
    d, ratio, b, inside, mu, g = 1e-3 * log_uniform(0.1, 5), draw.uniform(0, 1), draw.choice([700, 1000, 2500, 4000]), draw.uniform(0, 1), unit(), unit()
    if case % 4 == 0:
        g = [a + 0.05 * c for a, c in zip(mu, g)] if case % 8 == 0 else perpendicular(mu)[0]
        n = dot(g, g) ** 0.5
        g = [a / n for a in g]
    e, f = perpendicular(mu)
    local = [dot(g, mu), dot(g, e), dot(g, f)]
    x, across = b * d, b * d * ratio
    add("watson_stick", [d, odi] + mu, b, g, (0, 0), average(kappa, 0, [(1, 0, x, False)], local))
    add("watson_zeppelin", [d, ratio, odi] + mu, b, g, (0, 0), average(kappa, 0, [(1, across, x - across, False)], local))
    tied = b * mp.mpf(1.7e-3)
    across = tied * (1 - inside)
    for kind in ("averaged-tensor", "dispersed"):
        terms = [(inside, 0, tied, False), (1 - inside, across, tied - across, kind == "averaged-tensor")]
        add("noddi:" + kind, [inside, 1.7e-3, odi] + mu, b, g, (0, 0), average(kappa, 0, terms, local))
    c, across = dot(mu, g), x * ratio
    straight = inside * mp.exp(-x * c * c) + (1 - inside) * mp.exp(-across - (x - across) * c * c)
    add("bundle", [inside, d, ratio] + mu, b, g, (0, 0), straight)
    q, skew = quaternion(), [0, 1, 0.5][case] if case < 3 else draw.uniform(0, 1)
    local = [dot(g, column) for column in columns(q)]
    across = x * ratio
    add("bingham_stick", [d, odi, skew] + q, b, g, (0, 0), average(kappa, skew * kappa, [(1, 0, x, False)], local))
    add("bingham_zeppelin", [d, ratio, odi, skew] + q, b, g, (0, 0), average(kappa, skew * kappa, [(1, across, x - across, False)], local))
    across = tied * (1 - inside)
    for kind in ("averaged-tensor", "dispersed"):
        terms = [(inside, 0, tied, False), (1 - inside, across, tied - across, kind == "averaged-tensor")]
        add("noddi_bingham:" + kind, [inside, 1.7e-3, odi, skew] + q, b, g, (0, 0), average(kappa, skew * kappa, terms, local))
    timing = draw.choice([(10.6, 43.1), (21.4, 45.5), (8, 24), (12.9, 21.8), (1, 40), (20, 20)])
    radius, b = [1, 12, 8][case] if case < 3 else draw.uniform(1, 12), draw.choice([500, 1000, 3000, 6000, 10000])
    small, big = mp.mpf(timing[0]), mp.mpf(timing[1])
    add("sphere", [radius], b, g, timing, mp.exp(-restricted(2, radius, mp.mpf("3e-3"), b, small, big)))
    c = dot(mu, g)
    add("cylinder", [d, radius] + mu, b, g, timing, mp.exp(-b * d * c * c - restricted(1, radius, mp.mpf("1.7e-3"), b, small, big) * (1 - c * c)))

for case in range(40):
    d, b, mu, g = 1e-3 * log_uniform(0.1, 5), draw.choice([700, 1000, 2500, 4000]), unit(), unit()
    if case < 2:
        g = mu if case == 0 else perpendicular(mu)[0]
    e, f = perpendicular(mu)
    add("plane", [d] + mu, b, g, (0, 0), mp.exp(-b * d * (dot(g, e) ** 2 + dot(g, f) ** 2)))

for case in range(40):
    odi = EDGE[case] if case < len(EDGE) else draw.uniform(0.02, 0.99)
    kappa, b, g, mu, q = 1 / mp.tan(mp.pi / 2 * odi), draw.choice([700, 1000, 2500, 4000]), unit(), unit(), quaternion()
    inside, outside, stick, d, ratio = draw.uniform(0, 1), draw.uniform(0, 1), 1e-3 * log_uniform(0.1, 5), 1e-3 * log_uniform(0.1, 5), draw.uniform(0, 1)
    e, f = perpendicular(mu)
    across = b * d * ratio
    terms = [((1 - outside) * inside, 0, b * stick, False), (outside, across, b * d - across, False)]
    rest = (1 - outside) * (1 - inside)
    add("sandi", [inside, outside, stick, d, ratio, odi] + mu, b, g, (0, 0), rest + average(kappa, 0, terms, [dot(g, mu), dot(g, e), dot(g, f)]))
    skew = draw.uniform(0, 1)
    value = rest + average(kappa, skew * kappa, terms, [dot(g, column) for column in columns(q)])
    add("sandi_bingham", [inside, outside, stick, d, ratio, odi, skew] + q, b, g, (0, 0), value)

with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "compartments.txt"), "w") as file:
    file.write("\n".join(rows) + "\n")
