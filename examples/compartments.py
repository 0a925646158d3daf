#!/usr/bin/env python3
"""Other programs' compartments against the references that this package's are tested with.   python3 compartments.py

Tests/DiffusionTests/references/compartments.txt holds attenuations to 15 digits, which the package's own meet to 1e-6 and better (CompartmentTests). This prints how
far dmipy-fit (pip install dmipy-fit) and AMICO's synthesis (pip install dmri-amico) are from the same numbers; what cannot be imported is left out. Needs numpy.
"""
import contextlib
import io
import os
import sys

import numpy as np

REFERENCES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "Tests", "DiffusionTests", "references", "compartments.txt")
GAMMA = 2.6752218744e8
# Numbers of p before the axis, and whether there is an axis.
SHAPES = {"watson_stick": (2, True), "watson_zeppelin": (3, True), "noddi:averaged-tensor": (3, True), "noddi:dispersed": (3, True), "sphere": (1, False),
          "cylinder": (2, True)}


def cases():
    with open(REFERENCES) as lines:
        for line in lines:
            name, *words = line.split()
            if name not in SHAPES:
                continue
            x = np.array([float(w) for w in words])
            count, has_axis = SHAPES[name]
            p, x = x[:count], x[count:]
            mu, x = (x[:3], x[3:]) if has_axis else (np.array([0, 0, 1.0]), x)
            yield name, p, mu, x[0], x[1:4], x[4], x[5], x[6]


def dmipy():
    from dmipy_fit.core.acquisition_scheme import acquisition_scheme_from_bvalues
    from dmipy_fit.distributions.distribute_models import SD1WatsonDistributed
    from dmipy_fit.signal_models.cylinder_models import C1Stick, C4CylinderGaussianPhaseApproximation
    from dmipy_fit.signal_models.gaussian_models import G2Zeppelin
    from dmipy_fit.signal_models.sphere_models import S4SphereGaussianPhaseApproximation

    sphere, cylinder = S4SphereGaussianPhaseApproximation(diffusion_constant=3.0e-9), C4CylinderGaussianPhaseApproximation(diffusion_perpendicular=1.7e-9)
    stick, zeppelin = SD1WatsonDistributed([C1Stick()]), SD1WatsonDistributed([G2Zeppelin()])

    def signal(name, p, mu, b, g, small, big):
        timing = (1e-3 * small, 1e-3 * big) if small else (0.01, 0.03)
        # Its shells need more than one direction.
        scheme = acquisition_scheme_from_bvalues(np.array([0, b, b]) * 1e6, np.array([[1.0, 0, 0], g / np.linalg.norm(g), [0, 0, 1.0]]), *timing)
        angles = [np.arccos(np.clip(mu[2], -1, 1)), np.arctan2(mu[1], mu[0])]

        def of(model, **values):
            return model(scheme, **values)[1]

        def watson(d, ratio, odi):
            if ratio is None:
                return of(stick, C1Stick_1_lambda_par=d * 1e-6, SD1Watson_1_mu=angles, SD1Watson_1_odi=odi)
            return of(zeppelin, G2Zeppelin_1_lambda_par=d * 1e-6, G2Zeppelin_1_lambda_perp=d * ratio * 1e-6, SD1Watson_1_mu=angles, SD1Watson_1_odi=odi)

        if name == "watson_stick":
            return watson(p[0], None, p[1])
        if name == "watson_zeppelin":
            return watson(p[0], p[1], p[2])
        if name == "noddi:dispersed":
            return p[0] * watson(p[1], None, p[2]) + (1 - p[0]) * watson(p[1], 1 - p[0], p[2])
        if name == "sphere":
            return of(sphere, diameter=2e-6 * p[0])
        if name == "cylinder":
            return of(cylinder, mu=angles, lambda_par=p[0] * 1e-6, diameter=2e-6 * p[1])
        return None

    return signal


def amico():
    from amico import scheme as schemes
    from amico import synthesis

    def signal(name, p, mu, b, g, small, big):
        if name not in ("noddi:averaged-tensor", "sphere"):
            return None
        c = float(np.clip(g @ mu / np.linalg.norm(g), -1, 1))
        direction = [np.sqrt(1 - c * c), 0, c]
        small, big = (1e-3 * small, 1e-3 * big) if small else (0.01, 0.03)
        strength = np.sqrt(b * 1e6 / (big - small / 3)) / (GAMMA * small)
        # b = 0 first; AMICO wants y to be positive, and turns what is not.
        made = schemes.Scheme(np.array([[0, 0, 0, 0, big, small, 0.1], direction + [strength, big, small, 0.1]]))
        if name == "sphere":
            return synthesis.SphereGPD(made).get_signal(3.0e-3, p[0] * 1e-6)[1]
        kappa = 1 / np.tan(np.pi * p[2] / 2)
        inside = synthesis.NODDIIntraCellular(made).get_signal(p[1], kappa)
        outside = synthesis.NODDIExtraCellular(made).get_signal(p[1], kappa, p[0])
        return float(p[0] * np.ravel(inside)[1] + (1 - p[0]) * np.ravel(outside)[1])

    return signal


def main():
    for title, load in (("dmipy-fit", dmipy), ("AMICO synthesis", amico)):
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                signal = load()
        except ImportError as error:
            print(f"{title}: left out ({error})")
            continue
        found = {}
        for name, p, mu, b, g, small, big, expected in cases():
            value = signal(name, p, mu, b, g, small, big)
            if value is not None:
                found.setdefault(name, []).append(abs(float(value) - expected))
        for name, errors in found.items():
            print(f"{title:16s}{name:24s}{len(errors):4d} cases: median error {np.median(errors):.1e}, largest {max(errors):.1e}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.exit(__doc__)
    main()
