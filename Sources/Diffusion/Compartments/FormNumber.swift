import CKernels
import Foundation

/// Sixteen samples.
public typealias Lanes = SIMD16<Float>

/// What a compartment's form is computed in, so that one definition serves one θ (`Double`), its derivatives (`Dual`)
/// and sixteen samples (`Lanes`).
public protocol FormNumber {
    init(_ value: Double)
    static func + (a: Self, b: Self) -> Self
    static func - (a: Self, b: Self) -> Self
    static func * (a: Self, b: Self) -> Self
    static func / (a: Self, b: Self) -> Self
    /// cot(π/2 · self): Watson's and Bingham's κ of an orientation dispersion index.
    var concentration: Self { get }
    /// −ln of the attenuation of spins restricted to a radius (self, µm), perpendicular to a cylinder's walls.
    func restrictedExponent(_ walls: Walls, diffusivity: Double, _ s: Shell) -> Self
}

extension FormNumber {
    @inline(__always) static func * (a: Double, b: Self) -> Self { Self(a) * b }
    @inline(__always) static func - (a: Double, b: Self) -> Self { Self(a) - b }
}

extension Double: FormNumber {
    public var concentration: Double { 1 / tan(.pi / 2 * self) }
    public func restrictedExponent(_ walls: Walls, diffusivity: Double, _ s: Shell) -> Double {
        walls.exponent(radius: Dual(self), diffusivity: diffusivity, s).value
    }
}

extension SIMD16: FormNumber where Scalar == Float {
    @inline(__always) public init(_ value: Double) { self.init(repeating: Float(value)) }
    public var concentration: Lanes {
        withScalars { x, out in pk_concentrations(x, out) }
    }
    public func restrictedExponent(_ walls: Walls, diffusivity: Double, _ s: Shell) -> Lanes {
        guard let small = s.smallDelta, let big = s.bigDelta else { return Lanes(Double.nan) }
        return withScalars { radius, out in
            pk_restricted_exponents(
                walls == .sphere ? PK_SPHERE : PK_CYLINDER, radius, diffusivity, s.b, small, big, out)
        }
    }

    /// What a kernel makes of the sixteen.
    @inline(__always)
    private func withScalars(_ kernel: (UnsafePointer<Float>, UnsafeMutablePointer<Float>) -> Void) -> Lanes {
        var from = self, to = Lanes()
        withUnsafePointer(to: &from) { from in
            withUnsafeMutablePointer(to: &to) { to in
                kernel(
                    UnsafeRawPointer(from).assumingMemoryBound(to: Float.self),
                    UnsafeMutableRawPointer(to).assumingMemoryBound(to: Float.self))
            }
        }
        return to
    }
}

/// A number and its derivatives by up to eight coordinates.
public struct Dual: FormNumber, Sendable {
    public var value: Double
    public var slope: SIMD8<Double>

    @inline(__always) public init(_ value: Double) { (self.value, slope) = (value, .zero) }
    @inline(__always) public init(_ value: Double, _ slope: SIMD8<Double>) { (self.value, self.slope) = (value, slope) }

    @inline(__always) public static func + (a: Dual, b: Dual) -> Dual { Dual(a.value + b.value, a.slope + b.slope) }
    @inline(__always) public static func - (a: Dual, b: Dual) -> Dual { Dual(a.value - b.value, a.slope - b.slope) }
    @inline(__always) public static func * (a: Dual, b: Dual) -> Dual {
        Dual(a.value * b.value, a.slope * b.value + b.slope * a.value)
    }
    @inline(__always) public static func / (a: Dual, b: Dual) -> Dual {
        let q = a.value / b.value
        return Dual(q, (a.slope - b.slope * q) / b.value)
    }
    func exponential() -> Dual {
        let e = exp(value)
        return Dual(e, slope * e)
    }

    public var concentration: Dual {
        let k = value.concentration
        return Dual(k, slope * (-.pi / 2 * (1 + k * k)))
    }
    public func restrictedExponent(_ walls: Walls, diffusivity: Double, _ s: Shell) -> Dual {
        walls.exponent(radius: self, diffusivity: diffusivity, s)
    }
}
