import Foundation
import ModelSpace

/// Tensor: A = exp(−b gᵀDg), D with eigenvalues d1, d2, d3 along the columns of a rotation. Each of their orders stands
/// for the same tensors: a prior over sorted ones is 3! times this one where they are sorted.
public struct DiffusionTensor: QuadraticCompartment {
    public init() {}
    public var name: String { "tensor" }
    public let list = ParameterList(
        [
            Prior.diffusivity("d1"), Prior.diffusivity("d2"), Prior.diffusivity("d3"),
            Parameter("rotation", "", .rotation),
        ])
    public var takesSpread: Bool { true }
    public func attenuation(_ p: UnsafePointer<Double>, _ m: DiffusionMeasurement) -> Double {
        let r = rotationColumns(p + 3)
        let sum = zip([r.x, r.y, r.z], 0..<3).reduce(0.0) { sum, next in
            let c = m.g.x * next.0.x + m.g.y * next.0.y + m.g.z * next.0.z
            return sum + p[next.1] * c * c
        }
        return exp(-m.b * sum)
    }
    public func tensor<N: FormNumber>(_ p: UnsafePointer<N>, into out: UnsafeMutablePointer<N>) {
        let (u, v, w) = rotationColumns(p + 3)
        out[0] = p[0] * u.x * u.x + p[1] * v.x * v.x + p[2] * w.x * w.x
        out[1] = p[0] * u.y * u.y + p[1] * v.y * v.y + p[2] * w.y * w.y
        out[2] = p[0] * u.z * u.z + p[1] * v.z * v.z + p[2] * w.z * w.z
        out[3] = p[0] * u.x * u.y + p[1] * v.x * v.y + p[2] * w.x * w.y
        out[4] = p[0] * u.x * u.z + p[1] * v.x * v.z + p[2] * w.x * w.z
        out[5] = p[0] * u.y * u.z + p[1] * v.y * v.z + p[2] * w.y * w.z
    }
}
