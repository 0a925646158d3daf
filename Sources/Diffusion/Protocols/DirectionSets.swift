import Foundation
import ModelSpace

/// Sets of directions spread over the sphere, v and −v being the same.
public enum DirectionSets {
    /// n directions of a Fibonacci lattice on the half-sphere, pole along z.
    public static func fibonacci(_ n: Int) -> [SIMD3<Double>] {
        let golden = Double.pi * (3 - 5.0.squareRoot())
        return (0..<n).map { i in
            let z = (Double(i) + 0.5) / Double(n), r = (1 - z * z).squareRoot(), phi = golden * Double(i)
            return SIMD3(r * cos(phi), r * sin(phi), z)
        }
    }

    /// A direction uniform on the sphere.
    public static func uniform(using random: inout RandomSource) -> SIMD3<Double> {
        let z = random.uniform(-1, 1), phi = random.uniform(0, 2 * Double.pi), r = (1 - z * z).squareRoot()
        return SIMD3(r * cos(phi), r * sin(phi), z)
    }

    /// A rotation uniform on SO(3), as 9 numbers, row-major (from a uniform unit quaternion).
    public static func rotation(using random: inout RandomSource) -> [Double] {
        var q = SIMD4(random.normal(), random.normal(), random.normal(), random.normal())
        q /= (q * q).sum().squareRoot()
        let (w, x, y, z) = (q.x, q.y, q.z, q.w)
        return [
            1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
            2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
            2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
        ]
    }

    static func rotate(_ v: SIMD3<Double>, by r: [Double]) -> SIMD3<Double> {
        SIMD3(
            r[0] * v.x + r[1] * v.y + r[2] * v.z, r[3] * v.x + r[4] * v.y + r[5] * v.z,
            r[6] * v.x + r[7] * v.y + r[8] * v.z)
    }

    static func unit(_ v: SIMD3<Double>) -> SIMD3<Double> { v / max((v * v).sum().squareRoot(), 1e-300) }

    /// Moves directions apart by electrostatic repulsion between all ±v, steepest descent with a falling step.
    ///
    /// Energy Σ 1/|v_i − v_j| + 1/|v_i + v_j|; cost n² a step.
    /// - Source: Jones, Horsfield, Simmons, MRM 42 (1999) 515.
    public static func repel(_ set: inout [SIMD3<Double>], steps: Int) {
        repel(&set, steps: steps, shell: [], across: 1)
    }

    /// As `repel`, with pairs of different shells weighted by `across`; no shells: all pairs alike.
    private static func repel(_ set: inout [SIMD3<Double>], steps: Int, shell: [Int], across: Double) {
        let n = set.count
        guard n > 1 else { return }
        let spacing = (2 * Double.pi / Double(n)).squareRoot()
        var force = [SIMD3<Double>](repeating: .zero, count: n)
        for step in 0..<steps {
            for i in 0..<n { force[i] = .zero }
            for i in 0..<n {
                for j in i + 1..<n {
                    let a = set[i] - set[j], b = set[i] + set[j]
                    let la = max((a * a).sum(), 1e-6), lb = max((b * b).sum(), 1e-6)
                    let weight = shell.isEmpty || shell[i] == shell[j] ? 1 : across
                    let fa = a * (weight / (la * la.squareRoot())), fb = b * (weight / (lb * lb.squareRoot()))
                    force[i] += fa + fb
                    force[j] += fb - fa
                }
            }
            let reach = 0.3 * spacing * (1 - Double(step) / Double(steps))
            var largest = 1e-12
            for i in 0..<n {
                force[i] -= (force[i] * set[i]).sum() * set[i]
                largest = max(largest, (force[i] * force[i]).sum().squareRoot())
            }
            for i in 0..<n { set[i] = unit(set[i] + (reach / largest) * force[i]) }
        }
    }

    /// n well-spread directions: a Fibonacci lattice relaxed by repulsion; the same every time.
    public static func spread(_ n: Int, steps count: Int? = nil) -> [SIMD3<Double>] {
        var set = fibonacci(n)
        repel(&set, steps: count ?? steps(n))
        return set
    }

    /// Steps of repulsion, each of which costs n², that many directions can have within a second; the lattice that they
    /// start from is well spread already.
    private static func steps(_ n: Int) -> Int { max(6, min(300, 108_000_000 / max(1, n * n))) }

    /// Directions for several shells, well spread within each and, less strongly, over all together; the same every
    /// time.
    /// - Source: Caruyer, Lenglet, Sapiro, Deriche, MRM 69 (2013) 1534 (the joint energy).
    public static func spreadShells(_ counts: [Int]) -> [[SIMD3<Double>]] {
        let total = counts.reduce(0, +)
        var set = fibonacci(total)
        // Deal the lattice to the shells in proportion, always to the one that is furthest behind.
        var dealt = [Int](repeating: 0, count: counts.count)
        let shell = (0..<total).map { k in
            let next = counts.indices.max { a, b in
                Double(counts[a] * (k + 1)) / Double(total) - Double(dealt[a]) < Double(counts[b] * (k + 1))
                    / Double(total) - Double(dealt[b])
            }!
            dealt[next] += 1
            return next
        }
        repel(&set, steps: steps(total), shell: shell, across: counts.count > 1 ? 0.3 / Double(counts.count - 1) : 1)
        return counts.indices.map { s in set.indices.filter { shell[$0] == s }.map { set[$0] } }
    }
}
