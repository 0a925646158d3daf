import CKernels
import ModelSpace

// The signal forms that need an exponential a measurement or less. A compartment states what its form is made of, once,
// for any kind of number; the loops below are compiled for each compartment with that inside them.

/// E = exp(−exponent), the same in every direction.
public protocol IsotropicCompartment: Compartment {
    func exponent<N: FormNumber>(_ p: UnsafePointer<N>, _ s: Shell) -> N
}

/// E = exp(−(across + along (g·μ)²)): its axis μ is the last parameter.
public protocol AxialCompartment: Compartment {
    func exponents<N: FormNumber>(_ p: UnsafePointer<N>, _ s: Shell) -> (across: N, along: N)
}

/// E = exp(−b gᵀDg).
public protocol QuadraticCompartment: Compartment {
    /// xx, yy, zz, xy, xz, yz of D, mm²/s.
    func tensor<N: FormNumber>(_ p: UnsafePointer<N>, into out: UnsafeMutablePointer<N>)
}

extension IsotropicCompartment {
    public func attenuations(
        _ p: UnsafePointer<Lanes>, _ design: FormDesign, spread: UnsafePointer<Float>?,
        scratch: UnsafeMutablePointer<Float>,
        into out: UnsafeMutablePointer<Float>, stride: Int
    ) {
        for (s, shell) in design.shells.enumerated() { store(exponent(p, shell), scratch + 16 * s) }
        withUnsafePointer(to: design.table) { pk_isotropic($0, scratch, spread, out, stride) }
    }

    public func derivatives(
        _ p: UnsafePointer<Double>, _ design: FormDesign, spread: Double, scratch: UnsafeMutablePointer<Float>,
        attenuation: UnsafeMutablePointer<Float>, rows: UnsafeMutablePointer<Float>
    ) {
        axialDerivatives(p, design, spread, hasAxis: false, attenuation, rows) { (exponent($0, $1), Dual(0)) }
    }
}

extension AxialCompartment {
    public func attenuations(
        _ p: UnsafePointer<Lanes>, _ design: FormDesign, spread: UnsafePointer<Float>?,
        scratch: UnsafeMutablePointer<Float>,
        into out: UnsafeMutablePointer<Float>, stride: Int
    ) {
        let along = scratch + 16 * design.shells.count
        for (s, shell) in design.shells.enumerated() {
            let e = exponents(p, shell)
            store(e.across, scratch + 16 * s)
            store(e.along, along + 16 * s)
        }
        withUnsafePointer(to: design.table) { pk_axial($0, scratch, along, axisRows(p), spread, out, stride) }
    }

    public func derivatives(
        _ p: UnsafePointer<Double>, _ design: FormDesign, spread: Double, scratch: UnsafeMutablePointer<Float>,
        attenuation: UnsafeMutablePointer<Float>, rows: UnsafeMutablePointer<Float>
    ) {
        axialDerivatives(p, design, spread, hasAxis: true, attenuation, rows, exponents)
    }
}

extension QuadraticCompartment {
    public func attenuations(
        _ p: UnsafePointer<Lanes>, _ design: FormDesign, spread: UnsafePointer<Float>?,
        scratch: UnsafeMutablePointer<Float>,
        into out: UnsafeMutablePointer<Float>, stride: Int
    ) {
        withUnsafeTemporaryAllocation(of: Lanes.self, capacity: 6) { t in
            tensor(p, into: t.baseAddress!)
            let rows = UnsafeRawPointer(t.baseAddress!).assumingMemoryBound(to: Float.self)
            withUnsafePointer(to: design.table) { pk_quadratic($0, rows, spread, out, stride) }
        }
    }

    public func derivatives(
        _ p: UnsafePointer<Double>, _ design: FormDesign, spread: Double, scratch: UnsafeMutablePointer<Float>,
        attenuation: UnsafeMutablePointer<Float>, rows: UnsafeMutablePointer<Float>
    ) {
        let n = dimension
        withUnsafeTemporaryAllocation(of: Dual.self, capacity: width + 6) { buffer in
            let numbers = buffer.baseAddress!, t = numbers + width
            LocalCoordinates.duals(p, list.parameters, into: numbers)
            tensor(UnsafePointer(numbers), into: t)
            withUnsafeTemporaryAllocation(of: Float.self, capacity: 6 * (n + 1)) { tensors in
                for j in 0..<6 {
                    tensors[j] = Float(t[j].value)
                    for k in 0..<n { tensors[6 * (k + 1) + j] = Float(t[j].slope[k]) }
                }
                withUnsafePointer(to: design.table) {
                    pk_quadratic_gradient($0, n, tensors.baseAddress!, Float(spread), attenuation, rows)
                }
            }
        }
    }
}

extension Compartment {
    /// The last three numbers, as rows.
    @inline(__always)
    func axisRows(_ p: UnsafePointer<Lanes>) -> UnsafePointer<Float> {
        UnsafeRawPointer(p + (width - 3)).assumingMemoryBound(to: Float.self)
    }

    /// Derivatives of E = exp(−(across + along (g·μ)²)).
    fileprivate func axialDerivatives(
        _ p: UnsafePointer<Double>, _ design: FormDesign, _ spread: Double, hasAxis: Bool,
        _ attenuation: UnsafeMutablePointer<Float>,
        _ rows: UnsafeMutablePointer<Float>, _ exponents: (UnsafePointer<Dual>, Shell) -> (across: Dual, along: Dual)
    ) {
        let count = dimension - (hasAxis ? 2 : 0), size = 2 * (count + 1)
        withUnsafeTemporaryAllocation(of: Dual.self, capacity: width + 1) { numbers in
            LocalCoordinates.duals(p, list.parameters, into: numbers.baseAddress!)
            withUnsafeTemporaryAllocation(of: Float.self, capacity: design.shells.count * size + 9) { buffer in
                let e = buffer.baseAddress!, axis = e + design.shells.count * size
                for (s, shell) in design.shells.enumerated() {
                    let (across, along) = exponents(UnsafePointer(numbers.baseAddress!), shell), row = e + s * size
                    row[0] = Float(across.value)
                    row[1] = Float(along.value)
                    for k in 0..<count {
                        row[2 * k + 2] = Float(across.slope[k])
                        row[2 * k + 3] = Float(along.slope[k])
                    }
                }
                if hasAxis { axisAndTangents(p, into: axis) }
                withUnsafePointer(to: design.table) {
                    pk_axial_gradient(
                        $0, count, e, hasAxis ? UnsafePointer(axis) : nil, axis + 3, Float(spread), attenuation, rows)
                }
            }
        }
    }

    /// The axis and its two tangents: 9 floats.
    func axisAndTangents(_ p: UnsafePointer<Double>, into out: UnsafeMutablePointer<Float>) {
        let mu = p + (width - 3), (e, f) = LocalCoordinates.tangents(mu)
        for c in 0..<3 {
            out[c] = Float(mu[c])
            out[3 + c] = Float(e[c])
            out[6 + c] = Float(f[c])
        }
    }
}

@inline(__always)
func store(_ x: Lanes, _ to: UnsafeMutablePointer<Float>) {
    UnsafeMutableRawPointer(to).storeBytes(of: x, as: Lanes.self)
}
