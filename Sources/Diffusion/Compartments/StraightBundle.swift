import CKernels
import Foundation
import ModelSpace

/// Straight bundle: parallel axons with the water around them. The part f_in is inside, in sticks of d∥; the rest in
/// zeppelins on the same axis, d⊥ = ratio · d∥:
///
///     A = f_in exp(−b d∥ c²) + (1 − f_in) exp(−b [d⊥ + (d∥ − d⊥) c²]),   c = g·μ
///
/// What a NODDI bundle (`NODDIBundle`) is without dispersion.
public struct StraightBundle: Compartment {
    public init() {}
    public var name: String { "bundle" }
    public let list = ParameterList(NODDIBundle.parameters(.free) + [Prior.axis])

    public func attenuation(_ p: UnsafePointer<Double>, _ m: DiffusionMeasurement) -> Double {
        let c = cosine(m, p + 3), square = c * c, across = p[1] * p[2]
        return p[0] * exp(-m.b * p[1] * square) + (1 - p[0]) * exp(-m.b * (across + (p[1] - across) * square))
    }

    public func diffusion(_ p: UnsafePointer<Double>, _ timing: PulseTiming?) -> WaterDiffusion {
        let dyad = SymmetricMatrix3(dyad: p + 3), across = p[1] * p[2]
        var sum = WaterDiffusion()
        sum.add(WaterDiffusion(across: 0, along: p[1], dyad: dyad), weight: p[0])
        sum.add(WaterDiffusion(across: across, along: p[1] - across, dyad: dyad), weight: 1 - p[0])
        return sum
    }

    @inline(__always)
    func term<N: FormNumber>(_ index: Int, _ p: UnsafePointer<N>, _ s: Shell) -> DispersedTerm<N> {
        NODDIBundle.term(index, p, s, .free)
    }

    public func attenuations(
        _ p: UnsafePointer<Lanes>, _ design: FormDesign, spread: UnsafePointer<Float>?,
        scratch: UnsafeMutablePointer<Float>,
        into out: UnsafeMutablePointer<Float>, stride: Int
    ) {
        let along = scratch + 16 * design.shells.count, outside = scratch + design.scratchRest
        for index in 0..<2 {
            for (s, shell) in design.shells.enumerated() {
                let term = term(index, p, shell)
                store(term.across, scratch + 16 * s)
                store(term.along, along + 16 * s)
            }
            withUnsafePointer(to: design.table) {
                pk_axial($0, scratch, along, axisRows(p), nil, index == 0 ? out : outside, index == 0 ? stride : 16)
            }
        }
        let inside = UnsafeRawPointer(p).assumingMemoryBound(to: Float.self)
        pk_blend(design.count, inside, outside, out, stride)
    }

    public func derivatives(
        _ p: UnsafePointer<Double>, _ design: FormDesign, spread: Double, scratch: UnsafeMutablePointer<Float>,
        attenuation: UnsafeMutablePointer<Float>, rows: UnsafeMutablePointer<Float>
    ) {
        // Three scalars, then two tangents.
        let count = 3, size = 2 * (count + 1), m = design.count
        withUnsafeTemporaryAllocation(of: Dual.self, capacity: width) { numbers in
            LocalCoordinates.duals(p, list.parameters, into: numbers.baseAddress!)
            let q = UnsafePointer(numbers.baseAddress!)
            // Sixteen floats a shell, and six of M, have room in the two parts of the scratch memory.
            let e = scratch, axis = e + design.shells.count * size, own = scratch + design.scratchRest, slopes = own + m
            axisAndTangents(p, into: axis)
            for index in 0..<2 {
                for (s, shell) in design.shells.enumerated() {
                    let term = term(index, q, shell), row = e + s * size
                    row[0] = Float(term.across.value)
                    row[1] = Float(term.along.value)
                    for k in 0..<count {
                        row[2 * k + 2] = Float(term.across.slope[k])
                        row[2 * k + 3] = Float(term.along.slope[k])
                    }
                }
                withUnsafePointer(to: design.table) {
                    pk_axial_gradient($0, count, e, axis, axis + 3, 0, own, slopes)
                }
                let weight = term(index, q, design.shells[0]).weight, w = Float(weight.value)
                if index == 0 {
                    for i in 0..<m { attenuation[i] = w * own[i] }
                    for j in 0..<(count + 2) * m { rows[j] = w * slopes[j] }
                } else {
                    for i in 0..<m { attenuation[i] += w * own[i] }
                    for j in 0..<(count + 2) * m { rows[j] += w * slopes[j] }
                }
                // The weight is f_in or 1 − f_in.
                let slope = Float(weight.slope[0])
                for i in 0..<m { rows[i] += slope * own[i] }
            }
        }
    }
}

@inline(__always)
func load(_ from: UnsafePointer<Float>) -> Lanes { UnsafeRawPointer(from).loadUnaligned(as: Lanes.self) }
