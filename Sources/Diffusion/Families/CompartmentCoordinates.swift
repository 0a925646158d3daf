import Foundation
import ModelSpace

/// Coordinates of a composed family, T tokens × Q columns (`TokenColumns`):
///
///     scalars     Φ⁻¹ of the prior's distribution function
///     snr         the same;   s0: log(s0 · Ā_b0) · snr · √n0, within ±10
///     axes        the dyad of μ in the canonical frame, μμᵀ − I/3, scaled to unit variance on the sphere
///     rotations   the dyads of the frame's first and third axes
///     weights     stick-breaking logits in the layout's order, standardised: w_k = (f_k − floor_k)/(1 − Σ floors), v_k
///     = w_k/(1 − w_1 − … − w_(k−1)),
///                 x = (logit v_k − mean)/sd; the component that takes the rest, or else the last, has none
extension CompartmentFamily {
    public func coordinateMask(_ z: Structure) -> [Float] { known(z).coordinates.mask }

    public func encode(
        _ theta: UnsafePointer<Double>, _ z: Structure, _ design: Acquisition, _ frame: CanonicalFrame,
        into coordinates: UnsafeMutablePointer<Float>
    ) {
        let known = known(z), layout = known.plan.layout, c = known.coordinates
        coordinates.update(repeating: 0, count: columns.count)
        withUnsafeTemporaryAllocation(of: Double.self, capacity: layout.count) { buffer in
            let x = buffer.baseAddress!
            layout.pack(theta, into: x)
            for (j, s) in layout.scalars.enumerated() {
                coordinates[c.scalars[j]] = CoordinateCharts.probit(x[layout.firstScalar + j], (s.low, s.high))
            }
            for (a, first) in c.axes.enumerated() {
                let at = layout.firstAxis + 3 * a
                CoordinateCharts.encodeAxis(frame.enter(SIMD3(x[at], x[at + 1], x[at + 2])), into: coordinates + first)
            }
            for (r, first) in c.rotations.enumerated() {
                let columns = rotationColumns(x + (layout.firstRotation + 4 * r))
                CoordinateCharts.encodeAxis(
                    frame.enter(SIMD3(columns.x.x, columns.x.y, columns.x.z)), into: coordinates + first)
                CoordinateCharts.encodeAxis(
                    frame.enter(SIMD3(columns.z.x, columns.z.y, columns.z.z)), into: coordinates + first + 6)
            }
            var rest = 1.0
            let free = 1 - layout.floors
            for weight in c.weights {
                let w = max(
                    0,
                    (x[SignalLayout.firstWeight + weight.component] - layout.components[weight.component].bound) / free)
                let v = rest > 1e-12 ? w / rest : 0.5
                rest = max(0, rest - w)
                coordinates[weight.coordinate] = CoordinateCharts.logit(v, weight.moments)
            }
        }
        let slot = noiseSlots, snr = theta[slot.snr]
        coordinates[c.snr] = CoordinateCharts.probit(log(snr), layout.noise)
        let offset =
            log(theta[slot.s0] * unweightedAttenuation(theta, z, design)) * snr
            * Double(frame.unweightedCount).squareRoot()
        coordinates[c.s0] = Float(
            max(-CoordinateCharts.s0Bound, min(CoordinateCharts.s0Bound, offset.isNaN ? 0 : offset)))
    }

    /// Coordinates → θ in the prior's support, whatever the coordinates hold: members sorted by falling weight, unit
    /// directions, s0 > 0.
    ///
    /// - Accuracy: decode(encode(θ)) gives back log-uniform numbers, snr and s0 within 1e-5 relative (s0 where its
    ///   coordinate is within ±10), uniform ones within 1e-5 of their range, fractions within 2e-5, axes within 1e-6
    ///   rad, rotations within 2e-6 rad.
    public func decode(
        _ coordinates: UnsafePointer<Float>, _ z: Structure, _ design: Acquisition, _ frame: CanonicalFrame,
        into theta: UnsafeMutablePointer<Double>
    ) {
        let known = known(z), layout = known.plan.layout, c = known.coordinates, slot = noiseSlots
        let snr = exp(CoordinateCharts.unprobit(coordinates[c.snr], layout.noise))
        withUnsafeTemporaryAllocation(of: Double.self, capacity: layout.count) { buffer in
            let x = buffer.baseAddress!
            x[SignalLayout.scale] = 0
            x[SignalLayout.sigma] = -log(snr)
            for (j, s) in layout.scalars.enumerated() {
                x[layout.firstScalar + j] = CoordinateCharts.unprobit(coordinates[c.scalars[j]], (s.low, s.high))
            }
            for (a, first) in c.axes.enumerated() {
                let u = frame.leave(CoordinateCharts.decodeAxis(coordinates + first)), at = layout.firstAxis + 3 * a
                for i in 0..<3 { x[at + i] = u[i] }
            }
            for (r, first) in c.rotations.enumerated() {
                let long = frame.leave(CoordinateCharts.decodeAxis(coordinates + first))
                let other = frame.leave(CoordinateCharts.decodeAxis(coordinates + first + 6)),
                    across = other - (other * long).sum() * long
                let size = (across * across).sum().squareRoot()
                let short = size > 1e-6 ? across / size : AxisChart.tangents(long).0
                let q = Self.quaternion(long, SymmetricMatrix3.cross(short, long), short),
                    at = layout.firstRotation + 4 * r
                for i in 0..<4 { x[at + i] = q[i] }
            }
            var rest = 1.0
            let free = 1 - layout.floors
            for weight in c.weights {
                let w = CoordinateCharts.part(of: rest, coordinates[weight.coordinate], weight.moments)
                rest -= w
                x[SignalLayout.firstWeight + weight.component] = layout.components[weight.component].bound + free * w
            }
            x[SignalLayout.firstWeight + c.rest] = layout.components[c.rest].bound + free * max(0, rest)
            layout.unpack(x, into: theta)
        }
        theta[slot.snr] = snr
        let bound = CoordinateCharts.s0Bound,
            offset = max(-bound, min(bound, coordinates[c.s0].isNaN ? 0 : Double(coordinates[c.s0])))
        theta[slot.s0] =
            exp(offset / (snr * Double(frame.unweightedCount).squareRoot())) / unweightedAttenuation(theta, z, design)
    }

    /// The unit quaternion (w, x, y, z) of the rotation with these columns.
    static func quaternion(_ a: SIMD3<Double>, _ b: SIMD3<Double>, _ c: SIMD3<Double>) -> SIMD4<Double> {
        // The largest of the four squares is at least a quarter.
        let squares = SIMD4(1 + a.x + b.y + c.z, 1 + a.x - b.y - c.z, 1 - a.x + b.y - c.z, 1 - a.x - b.y + c.z)
        let q: SIMD4<Double>
        if squares[0] == squares.max() {
            q = SIMD4(squares[0], b.z - c.y, c.x - a.z, a.y - b.x)
        } else if squares[1] == squares.max() {
            q = SIMD4(b.z - c.y, squares[1], a.y + b.x, c.x + a.z)
        } else if squares[2] == squares.max() {
            q = SIMD4(c.x - a.z, a.y + b.x, squares[2], b.z + c.y)
        } else {
            q = SIMD4(a.y - b.x, c.x + a.z, b.z + c.y, squares[3])
        }
        return q / (q * q).sum().squareRoot()
    }
}
