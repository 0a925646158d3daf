import Foundation
import ModelSpace

/// Local coordinates of a compartment's parameters about a centre, in which the prior is flat but for its bounds:
/// differences of logarithms or of values by chart; Lambert's for an axis (`AxisChart`); for a rotation R three angles
/// ω about its own axes, R exp[ω] (`RotationChart`).
public enum LocalCoordinates {
    /// p as numbers that know their derivatives by the first eight coordinates. Dispersed forms have more, of which
    /// they turn the axis or rotation, the last, themselves.
    static func duals(_ p: UnsafePointer<Double>, _ parameters: [Parameter], into out: UnsafeMutablePointer<Dual>) {
        var i = 0, k = 0
        func unit(_ k: Int, _ size: Double) -> SIMD8<Double> {
            var v = SIMD8<Double>.zero
            if k < 8 { v[k] = size }
            return v
        }
        for j in parameters.indices {
            switch parameters[j].chart {
            case .fixed: out[i] = Dual(p[i])
            case .logUniform, .scale: out[i] = Dual(p[i], unit(k, p[i]))
            case .uniform, .weight, .coefficient: out[i] = Dual(p[i], unit(k, 1))
            case .axis:
                let (e, f) = tangents(p + i)
                for c in 0..<3 { out[i + c] = Dual(p[i + c], unit(k, e[c]) + unit(k + 1, f[c])) }
            case .rotation:
                // q (1, ω/2): the product of quaternions.
                let q = p + i,
                    slopes = [[-q[1], -q[2], -q[3]], [q[0], -q[3], q[2]], [q[3], q[0], -q[1]], [-q[2], q[1], q[0]]]
                for c in 0..<4 {
                    out[i + c] = Dual(
                        q[c], unit(k, slopes[c][0] / 2) + unit(k + 1, slopes[c][1] / 2) + unit(k + 2, slopes[c][2] / 2))
                }
            }
            i += parameters[j].width
            k += parameters[j].dimension
        }
    }

    /// Two unit vectors at right angles to a unit vector and to each other.
    static func tangents(_ axis: UnsafePointer<Double>) -> (SIMD3<Double>, SIMD3<Double>) {
        AxisChart.tangents(SIMD3(axis[0], axis[1], axis[2]))
    }

    /// The numbers at coordinates u about the centre p. They may lie outside the prior's bounds.
    public static func move(_ p: [Double], _ parameters: [Parameter], by u: [Double]) -> [Double] {
        var out = p, i = 0, k = 0
        for parameter in parameters {
            switch parameter.chart {
            case .fixed: break
            case .logUniform, .scale: out[i] = p[i] * exp(u[k])
            case .uniform, .weight, .coefficient: out[i] = p[i] + u[k]
            case .axis:
                let moved = AxisChart.move(SIMD3(p[i], p[i + 1], p[i + 2]), by: (u[k], u[k + 1]))
                for c in 0..<3 { out[i + c] = moved[c] }
            case .rotation:
                p.withUnsafeBufferPointer { p in
                    u.withUnsafeBufferPointer { u in
                        out.withUnsafeMutableBufferPointer {
                            RotationChart.move(p.baseAddress! + i, by: u.baseAddress! + k, into: $0.baseAddress! + i)
                        }
                    }
                }
            }
            i += parameter.width
            k += parameter.dimension
        }
        return out
    }
}

/// The columns of the rotation of a unit quaternion (w, x, y, z).
@inline(__always)
func rotationColumns<N: FormNumber>(_ q: UnsafePointer<N>) -> (x: Vector3<N>, y: Vector3<N>, z: Vector3<N>) {
    let one = N(1), ww = q[0], x = q[1], y = q[2], z = q[3]
    return (
        Vector3(one - 2.0 * (y * y + z * z), 2.0 * (x * y + ww * z), 2.0 * (x * z - ww * y)),
        Vector3(2.0 * (x * y - ww * z), one - 2.0 * (x * x + z * z), 2.0 * (y * z + ww * x)),
        Vector3(2.0 * (x * z + ww * y), 2.0 * (y * z - ww * x), one - 2.0 * (x * x + y * y))
    )
}

/// Three numbers of any kind.
struct Vector3<N: FormNumber> {
    var x: N, y: N, z: N
    @inline(__always) init(_ x: N, _ y: N, _ z: N) { (self.x, self.y, self.z) = (x, y, z) }
}
