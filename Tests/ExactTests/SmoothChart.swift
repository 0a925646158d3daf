import Foundation
import ModelSpace

@testable import Exact

extension ImportanceFractionsTests {
    /// Coordinates of a point in which its density falls smoothly everywhere: log s0 (if there is a scale), logits of
    /// what has bounds (σ unless known, free fractions one after another, scalars), axes about a pole in polar
    /// coordinates, angles about a frame; and back, with the log of the volume element.
    struct Chart {
        var layout: SignalLayout, knownSigma: Double?
        var reference: [Double]
        var free: Int { layout.componentCount - 1 }

        private func logit(_ x: Double, _ low: Double, _ high: Double) -> Double {
            let s = max(1e-6, min(1 - 1e-6, (x - low) / (high - low)))
            return log(s / (1 - s))
        }
        private func unlogit(_ t: Double, _ low: Double, _ high: Double, _ volume: inout Double) -> Double {
            let s = 1 / (1 + exp(-t))
            volume += log((high - low) * s) - (t > 0 ? t + log1p(exp(-t)) : log1p(exp(t)))
            return low + (high - low) * s
        }

        func coordinates(_ x: [Double]) -> [Double] {
            var out = layout.scalePlace == nil ? [] : [x[1]], rest = 1 - layout.floors
            if knownSigma == nil {
                out.append(logit(layout.scalePlace == nil ? x[0] : x[1] - x[0], layout.noise.low, layout.noise.high))
            }
            for k in 1..<1 + free {
                let g = x[2 + k] - layout.components[k].bound
                out.append(logit(g, 0, rest))
                rest -= g
            }
            for (k, s) in layout.scalars.enumerated() { out.append(logit(x[layout.firstScalar + k], s.low, s.high)) }
            for a in layout.axes.indices {
                let at = layout.firstAxis + 3 * a, raw = SIMD3(x[at], x[at + 1], x[at + 2]),
                    v = (raw * axis).sum() < 0 ? -raw : raw
                let r = acos(min(1, (v * axis).sum())), s = r < 1e-9 ? 1 : r / sin(r)
                out += [s * (v * across.0).sum(), s * (v * across.1).sum()]
            }
            var w = [0.0, 0, 0]
            for r in layout.rotations.indices {
                let at = layout.firstRotation + 4 * r
                RotationChart.coordinates(of: Array(x[at..<at + 4]), about: Array(reference[at..<at + 4]), into: &w)
                out += w
            }
            return out
        }

        func move(_ c: [Double], _ x: inout [Double]) -> Double {
            var i = 0, volume = 0.0
            func next() -> Double { defer { i += 1 }; return c[i] }
            x[1] = layout.scalePlace == nil ? 0 : next()
            if let knownSigma {
                x[0] = log(knownSigma)
            } else {
                let level = unlogit(next(), layout.noise.low, layout.noise.high, &volume)
                x[0] = layout.scalePlace == nil ? level : x[1] - level
            }
            var rest = 1 - layout.floors
            for k in 1..<1 + free {
                let g = unlogit(next(), 0, rest, &volume)
                x[2 + k] = layout.components[k].bound + g
                rest -= g
            }
            x[2] = rest
            for (k, s) in layout.scalars.enumerated() {
                x[layout.firstScalar + k] = unlogit(next(), s.low, s.high, &volume)
            }
            for a in layout.axes.indices {
                let u = (next(), next()), r = (u.0 * u.0 + u.1 * u.1).squareRoot(), s = r < 1e-9 ? 1 : sin(r) / r
                let v = cos(r) * axis + s * (u.0 * across.0 + u.1 * across.1)
                for c in 0..<3 { x[layout.firstAxis + 3 * a + c] = v[c] }
                volume += log(s)
            }
            for r in layout.rotations.indices {
                let w = [next(), next(), next()], at = layout.firstRotation + 4 * r,
                    angle = (w[0] * w[0] + w[1] * w[1] + w[2] * w[2]).squareRoot()
                var q = [0.0, 0, 0, 0]
                RotationChart.move(Array(reference[at..<at + 4]), by: w, into: &q)
                for c in 0..<4 { x[at + c] = q[c] }
                if angle > 1e-6 { volume += 2 * log(sin(angle / 2) / (angle / 2)) }
            }
            return volume
        }
    }
}
