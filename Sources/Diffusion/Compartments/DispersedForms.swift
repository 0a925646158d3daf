import CKernels
import ModelSpace

/// Axially symmetric signals exp(−(across + along (g·n)²)), of which a dispersed compartment has one to three, averaged
/// over directions n.
public struct DispersedTerm<N: FormNumber> {
    public var weight: N, across: N, along: N

    @inline(__always)
    public init(weight: N, across: N, along: N) { (self.weight, self.across, self.along) = (weight, across, along) }
}

/// What Watson's and Bingham's compartments have in common.
public protocol DispersedCompartment: Compartment {
    /// One to three.
    var termCount: Int { get }
    func term<N: FormNumber>(_ index: Int, _ p: UnsafePointer<N>, _ s: Shell) -> DispersedTerm<N>
    /// ⟨nnᵀ⟩ of its directions n.
    func meanDyad(_ p: UnsafePointer<Double>) -> SymmetricMatrix3
    /// Whether a term's exponent (that is, its tensor) is averaged over directions; otherwise its signal is.
    func averagesTensor(_ index: Int) -> Bool
}

extension DispersedCompartment {
    public var termCount: Int { 1 }
    public func averagesTensor(_ index: Int) -> Bool { false }

    /// The definition.
    func average(_ over: OrientationAverage, _ p: UnsafePointer<Double>, _ s: Shell, _ g: SIMD3<Double>) -> Double {
        (0..<termCount).reduce(0) { $0 + over.signal(term($1, p, s), averagesTensor: averagesTensor($1), g) }
    }

    /// The terms of a shell, weight, across and along: terms × 16 each.
    @inline(__always)
    func storeTerms(
        _ p: UnsafePointer<Lanes>, _ s: Shell, _ weight: UnsafeMutablePointer<Float>,
        _ across: UnsafeMutablePointer<Float>,
        _ along: UnsafeMutablePointer<Float>
    ) {
        for t in 0..<termCount {
            let term = term(t, p, s)
            store(term.weight, weight + 16 * t)
            store(term.across, across + 16 * t)
            store(term.along, along + 16 * t)
        }
    }

    /// The same of one θ with derivatives by `count` coordinates: terms × (1 + count) each.
    func storeTerms(
        _ p: UnsafePointer<Dual>, _ s: Shell, count: Int, _ weight: UnsafeMutablePointer<Double>,
        _ across: UnsafeMutablePointer<Double>,
        _ along: UnsafeMutablePointer<Double>
    ) {
        for t in 0..<termCount {
            let term = term(t, p, s), at = t * (count + 1)
            term.weight.store(weight + at, count)
            term.across.store(across + at, count)
            term.along.store(along + at, count)
        }
    }

    /// What is averaged in each term.
    func withKinds(_ body: (UnsafePointer<pk_term_kind>) -> Void) {
        func kind(_ t: Int) -> pk_term_kind { averagesTensor(t) ? PK_AVERAGED_TENSOR : PK_DISPERSED }
        var kinds = (kind(0), kind(1), kind(2))
        withUnsafeBytes(of: &kinds) { body($0.bindMemory(to: pk_term_kind.self).baseAddress!) }
    }
}

extension Dual {
    /// The value, then its first `count` derivatives.
    @inline(__always)
    func store(_ to: UnsafeMutablePointer<Double>, _ count: Int) {
        to[0] = value
        for k in 0..<count { to[k + 1] = slope[k] }
    }
}
