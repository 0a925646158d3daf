import CKernels
import ModelSpace

/// A compartment whose directions n have Bingham's distribution, density ∝ exp(κ[(n·e_1)² + q (n·e_2)²]) about the axes
/// e of a rotation: κ = 1/tan(π/2 · ODI), q = β/κ from 0 (Watson's) to 1 (a girdle). Its last three parameters are ODI,
/// q and the rotation.
public protocol BinghamCompartment: DispersedCompartment {}

extension BinghamCompartment {
    public func attenuation(_ p: UnsafePointer<Double>, _ m: DiffusionMeasurement) -> Double {
        let kappa = p[width - 6].concentration, r = rotationColumns(p + (width - 4)), g = m.g
        func along(_ e: Vector3<Double>) -> Double { g.x * e.x + g.y * e.y + g.z * e.z }
        return average(
            OrientationAverage(kappa: kappa, beta: p[width - 5] * kappa), p, m.shell,
            SIMD3(along(r.x), along(r.y), along(r.z)))
    }

    public func meanDyad(_ p: UnsafePointer<Double>) -> SymmetricMatrix3 {
        let kappa = p[width - 6].concentration, r = rotationColumns(p + (width - 4))
        let squares = OrientationAverage.squares(kappa: kappa, beta: p[width - 5] * kappa)
        var dyad = SymmetricMatrix3()
        for (square, e) in zip([squares.x, squares.y, squares.z], [r.x, r.y, r.z]) {
            dyad.add(SIMD3(e.x, e.y, e.z), weight: square)
        }
        return dyad
    }

    public func attenuations(
        _ p: UnsafePointer<Lanes>, _ design: FormDesign, spread: UnsafePointer<Float>?,
        scratch: UnsafeMutablePointer<Float>,
        into out: UnsafeMutablePointer<Float>, stride: Int
    ) {
        let terms = termCount, part = 16 * terms * design.shells.count
        withUnsafeTemporaryAllocation(of: Float.self, capacity: 11 * 16) { floats in
            let kappa = floats.baseAddress!, ratio = kappa + 16, frame = ratio + 16,
                (weight, across, along) = (scratch, scratch + part, scratch + 2 * part)
            store(p[width - 6].concentration, kappa)
            store(p[width - 5], ratio)
            let r = rotationColumns(p + (width - 4))
            for (k, e) in [r.x, r.y, r.z].enumerated() {
                store(e.x, frame + 48 * k)
                store(e.y, frame + 48 * k + 16)
                store(e.z, frame + 48 * k + 32)
            }
            for (s, shell) in design.shells.enumerated() {
                let at = 16 * terms * s
                storeTerms(p, shell, weight + at, across + at, along + at)
            }
            withKinds { kinds in
                withUnsafePointer(to: design.table) {
                    pk_bingham($0, kappa, ratio, frame, Int32(terms), kinds, weight, across, along, out, stride)
                }
            }
        }
    }

    public func derivatives(
        _ p: UnsafePointer<Double>, _ design: FormDesign, spread: Double, scratch: UnsafeMutablePointer<Float>,
        attenuation: UnsafeMutablePointer<Float>, rows: UnsafeMutablePointer<Float>
    ) {
        let count = dimension - 3, size = count + 1, terms = termCount, part = design.shells.count * terms * size
        withUnsafeTemporaryAllocation(of: Dual.self, capacity: width) { numbers in
            LocalCoordinates.duals(p, list.parameters, into: numbers.baseAddress!)
            let q = UnsafePointer(numbers.baseAddress!)
            withUnsafeTemporaryAllocation(of: Double.self, capacity: 2 * size + 3 * part) { doubles in
                let kappa = doubles.baseAddress!, ratio = kappa + size, weight = ratio + size, across = weight + part,
                    along = across + part
                q[width - 6].concentration.store(kappa, count)
                q[width - 5].store(ratio, count)
                for (s, shell) in design.shells.enumerated() {
                    let at = s * terms * size
                    storeTerms(q, shell, count: count, weight + at, across + at, along + at)
                }
                let r = rotationColumns(p + (width - 4)),
                    frame = [r.x, r.y, r.z].flatMap { [Float($0.x), Float($0.y), Float($0.z)] }
                withKinds { kinds in
                    withUnsafePointer(to: design.table) {
                        pk_bingham_gradient(
                            $0, count, kappa, ratio, frame, Int32(terms), kinds, weight, across, along, attenuation,
                            rows)
                    }
                }
            }
        }
    }
}
