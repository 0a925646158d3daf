import CKernels
import ModelSpace

/// A compartment whose directions n have Watson's distribution, density ∝ exp(κ(n·μ)²), κ = 1/tan(π/2 · ODI). Its last
/// two parameters are ODI and μ.
///
/// It is zonal: a polynomial in (g·μ)² once its coefficients are known, which are computed once a shell.
///
/// The functions are requirements so that each compartment has its own, made for its terms; all are the extension's.
public protocol WatsonCompartment: DispersedCompartment {
    /// The polynomials of sixteen samples, shells × PK_ZONAL_TERMS × 16, and how many coefficients of each shell are
    /// used: all that does not depend on the axis, and so is the same for compartments that differ in their axis alone.
    /// - Parameter scratch: a design's scratch memory, which they are at the beginning of.
    func coefficients(
        _ p: UnsafePointer<Lanes>, _ design: FormDesign, used: UnsafeMutablePointer<Int32>,
        into scratch: UnsafeMutablePointer<Float>)
    /// Attenuations by polynomials already known.
    func attenuations(
        _ p: UnsafePointer<Lanes>, _ design: FormDesign, coefficients: UnsafePointer<Float>, used: UnsafePointer<Int32>,
        into out: UnsafeMutablePointer<Float>, stride: Int)
    /// The polynomials of one θ and their derivatives, shells × (1 + coordinates) × PK_ZONAL_TERMS (no more than a
    /// design's scratch memory): all that does not depend on the axis.
    func coefficientSlopes(_ p: UnsafePointer<Double>, _ design: FormDesign, into out: UnsafeMutablePointer<Float>)
    /// Attenuations and derivatives by polynomials already known.
    func derivatives(
        _ p: UnsafePointer<Double>, _ design: FormDesign, coefficients: UnsafePointer<Float>,
        attenuation: UnsafeMutablePointer<Float>, rows: UnsafeMutablePointer<Float>)
}

extension WatsonCompartment {
    public func attenuation(_ p: UnsafePointer<Double>, _ m: DiffusionMeasurement) -> Double {
        let mu = p + (width - 3), (e, f) = LocalCoordinates.tangents(mu)
        let local = SIMD3(cosine(m, mu), (m.g * e).sum(), (m.g * f).sum())
        return average(OrientationAverage(kappa: p[width - 4].concentration, beta: 0), p, m.shell, local)
    }

    public func meanDyad(_ p: UnsafePointer<Double>) -> SymmetricMatrix3 {
        withUnsafeTemporaryAllocation(of: Double.self, capacity: Int(PK_WATSON_MOMENTS)) { moments in
            pk_watson_moment_row(p[width - 4].concentration, moments.baseAddress!)
            // ⟨P₂⟩ = (3⟨(n·μ)²⟩ − 1)/2.
            let mu = p + (width - 3), across = (1 - moments[1]) / 3
            var dyad = SymmetricMatrix3(xx: across, yy: across, zz: across)
            dyad.add(SIMD3(mu[0], mu[1], mu[2]), weight: moments[1])
            return dyad
        }
    }

    public func attenuations(
        _ p: UnsafePointer<Lanes>, _ design: FormDesign, spread: UnsafePointer<Float>?,
        scratch: UnsafeMutablePointer<Float>,
        into out: UnsafeMutablePointer<Float>, stride: Int
    ) {
        withUnsafeTemporaryAllocation(of: Int32.self, capacity: design.shells.count) { used in
            coefficients(p, design, used: used.baseAddress!, into: scratch)
            attenuations(p, design, coefficients: scratch, used: used.baseAddress!, into: out, stride: stride)
        }
    }

    public func coefficients(
        _ p: UnsafePointer<Lanes>, _ design: FormDesign, used: UnsafeMutablePointer<Int32>,
        into scratch: UnsafeMutablePointer<Float>
    ) {
        let n = PK_ZONAL_TERMS * 16, terms = termCount, part = 16 * terms
        let kappa = scratch + design.scratchRest, weight = kappa + 16, across = weight + part, along = across + part
        let moments = UnsafeMutableRawPointer(along + part).assumingMemoryBound(to: Double.self)
        store(p[width - 4].concentration, kappa)
        pk_watson_moments(kappa, moments)
        withKinds { kinds in
            for (s, shell) in design.shells.enumerated() {
                storeTerms(p, shell, weight, across, along)
                used[s] = pk_zonal_coefficients(
                    moments, Int32(terms), kinds, weight, across, along, scratch + s * n)
            }
        }
    }

    public func attenuations(
        _ p: UnsafePointer<Lanes>, _ design: FormDesign, coefficients: UnsafePointer<Float>, used: UnsafePointer<Int32>,
        into out: UnsafeMutablePointer<Float>, stride: Int
    ) {
        withUnsafePointer(to: design.table) { pk_zonal($0, coefficients, used, axisRows(p), out, stride) }
    }

    public func derivatives(
        _ p: UnsafePointer<Double>, _ design: FormDesign, spread: Double, scratch: UnsafeMutablePointer<Float>,
        attenuation: UnsafeMutablePointer<Float>, rows: UnsafeMutablePointer<Float>
    ) {
        coefficientSlopes(p, design, into: scratch)
        derivatives(p, design, coefficients: scratch, attenuation: attenuation, rows: rows)
    }

    public func coefficientSlopes(
        _ p: UnsafePointer<Double>, _ design: FormDesign, into out: UnsafeMutablePointer<Float>
    ) {
        let count = dimension - 2, size = count + 1, terms = termCount, n = PK_ZONAL_TERMS * size
        withUnsafeTemporaryAllocation(of: Dual.self, capacity: width) { numbers in
            LocalCoordinates.duals(p, list.parameters, into: numbers.baseAddress!)
            let q = UnsafePointer(numbers.baseAddress!)
            withUnsafeTemporaryAllocation(of: Double.self, capacity: size * (1 + 3 * terms) + PK_WATSON_MOMENTS) {
                doubles in
                let kappa = doubles.baseAddress!, weight = kappa + size, across = weight + terms * size,
                    along = across + terms * size, moments = along + terms * size
                q[width - 4].concentration.store(kappa, count)
                pk_watson_moment_row(kappa[0], moments)
                withKinds { kinds in
                    for (s, shell) in design.shells.enumerated() {
                        storeTerms(q, shell, count: count, weight, across, along)
                        pk_zonal_coefficient_gradient(
                            count, moments, kappa, Int32(terms), kinds, weight, across, along, out + s * n)
                    }
                }
            }
        }
    }

    public func derivatives(
        _ p: UnsafePointer<Double>, _ design: FormDesign, coefficients: UnsafePointer<Float>,
        attenuation: UnsafeMutablePointer<Float>,
        rows: UnsafeMutablePointer<Float>
    ) {
        withUnsafeTemporaryAllocation(of: Float.self, capacity: 9) { axis in
            axisAndTangents(p, into: axis.baseAddress!)
            withUnsafePointer(to: design.table) {
                pk_zonal_gradient(
                    $0, dimension - 2, coefficients, axis.baseAddress!, axis.baseAddress! + 3, attenuation, rows)
            }
        }
    }
}
