import CKernels
import Foundation

/// A candidate term of a formula: a function of x on [0, 10] with up to three inner parameters, of about unit size.
public struct Term: Sendable, Hashable {
    /// Unique in the library; the component's name in structures, columns and archives.
    public let name: String
    /// What it is, with {name} where a parameter stands.
    public let formula: String
    public let inner: [BoundedParameter]
    let form: Form

    /// The function's kind with its fixed numbers; what varies are the inner parameters, a, b, c in `inner`'s order.
    enum Form: Sendable, Hashable {
        case power(Double), logarithm, decay, growth, gamma, rational, saturation, freePower, freeLogarithm
        case sine, cosine, squareWave, triangleWave, sawtooth
        case dampedSine, dampedCosine, chirpSine, chirpCosine, growingSine, growingCosine, logarithmicSine
        case step, hinge, hingeBelow, distance, sigmoid, bump, peak, box, hat, slope, packet, tent
        case legendre(Int), fourierSine(Int), fourierCosine(Int), fixedStep(Double), fixedHinge(Double)
        case fixedBump(Double)
    }

    init(_ name: String, _ formula: String, _ form: Form, _ inner: BoundedParameter...) {
        (self.name, self.formula, self.form, self.inner) = (name, formula, form, inner)
    }

    /// Its value at x (a plain function: the definition that everything else is checked against).
    /// - Parameter p: the inner parameters; not read where there are none.
    public func value(_ x: Double, _ p: [Double]) -> Double {
        var y = 0.0
        withUnsafePointer(to: x) { x in fill(x, 1, p, into: &y) }
        return y
    }

    /// Values at n places.
    func fill(_ x: UnsafePointer<Double>, _ n: Int, _ p: [Double], into y: UnsafeMutablePointer<Double>) {
        let a = p.count > 0 ? p[0] : 0, b = p.count > 1 ? p[1] : 0, c = p.count > 2 ? p[2] : 0
        @inline(__always) func all(_ f: (Double) -> Double) { for i in 0..<n { y[i] = f(x[i]) } }
        if let (code, second) = form.kernel { return pk_curve(code, n, x, a, second ?? b, c, y) }
        switch form {
        case .power(let q): q == 0 ? all { _ in 1 } : all { pow($0 / 10, q) }
        case .logarithm: all { log1p($0) / 2.3978952727983707 }  // ln 11
        case .hinge: all { max(0, $0 - a) / 5 }
        case .hingeBelow: all { max(0, a - $0) / 5 }
        case .distance: all { abs($0 - a) / 5 }
        case .tent: all { max(0, 1 - abs($0 - a) / b) }
        case .legendre(let degree):
            all { x in
                let t = x / 5 - 1
                var (before, now) = (1.0, t)
                for k in 1..<max(1, degree) {
                    (before, now) = (now, (Double(2 * k + 1) * t * now - Double(k) * before) / Double(k + 1))
                }
                return degree == 0 ? 1 : now
            }
        case .fourierSine(let k): all { sin(2 * .pi * Double(k) * $0 / 10) }
        case .fourierCosine(let k): all { cos(2 * .pi * Double(k) * $0 / 10) }
        case .fixedStep(let at): all { 1 / (1 + exp(min(40, (at - $0) / 0.05))) }
        case .fixedHinge(let at): all { max(0, $0 - at) / 5 }
        case .fixedBump(let at): all { exp(-0.5 * ($0 - at) * ($0 - at)) }
        default: preconditionFailure("a kernel fills this form")
        }
    }

    /// What each inner parameter means, where terms share it: its name, but that w is a width beside a place c and a
    /// frequency elsewhere.
    var meanings: [String] {
        let isPlaced = inner.contains { $0.name == "c" }
        return inner.map { isPlaced && $0.name == "w" ? "width" : $0.name }
    }

    /// Its formula with numbers in the parameters' places.
    public func formula(_ p: [Double]) -> String {
        zip(inner, p).reduce(formula) {
            $0.replacingOccurrences(of: "{\($1.0.name)}", with: String(format: "%.3g", $1.1))
        }
    }

    /// Its formula with the parameters' names.
    public var general: String { formula.filter { $0 != "{" && $0 != "}" } }
}
