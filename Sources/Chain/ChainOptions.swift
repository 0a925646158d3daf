/// What the classical ball-and-sticks chain is to do; the defaults are those that bedpostx users know.
public struct ChainOptions: Sendable, Equatable {
    /// K, 1 to 3.
    public var fibres = 3
    /// Model 2: diffusivities gamma-distributed with standard deviation s; otherwise (model 1) one diffusivity.
    public var hasSpread = false
    /// Sweeps before the first draw, and after it; a draw every so many of the latter.
    public var burnIn = 1000, jumps = 1250, every = 25
    /// Weight ω of automatic relevance determination, p(f) ∝ f^(−ω); 0 switches it off.
    public var relevanceWeight = 1.0
    /// Whether the first fibre's fraction has that prior too.
    public var relevanceOnFirst = false

    /// Lower end of the fractions' priors. 1/f cannot be normalised at 0, and the smaller the floor, the more mass lies
    /// with absent fibres: at 1e-9 a relevance-determined fibre has f > 0.05 with probability 0.14 a priori. (A chain
    /// without a floor would in time lose every such fibre, as 0 absorbs.)
    public var fractionFloor = 1e-9

    public init() {}

    /// S, draws a voxel.
    public var drawCount: Int { jumps / every }

    /// Bounds of the priors: diffusivity d and its spread s (mm²/s). 1/s cannot be normalised at 0; a spread below the
    /// bound changes no signal by a measurable amount.
    public static let diffusivity = (low: 1e-7, high: 5e-3)
    public static let spread = (low: 1e-5, high: 1e-2)

    /// ω of fibre k.
    func weight(_ k: Int) -> Double { k > 0 || relevanceOnFirst ? relevanceWeight : 0 }
}

/// The width of a one-parameter proposal and how it fares.
struct AdaptiveWidth {
    var width: Double
    let largest: Double
    var accepted = 0, refused = 0

    init(_ width: Double, largest: Double) {
        self.width = width
        self.largest = largest
    }

    @inline(__always)
    mutating func note(_ moved: Bool) { if moved { accepted += 1 } else { refused += 1 } }

    /// Toward as many moves accepted as refused; called every 40 sweeps of the burn-in.
    mutating func adapt() {
        width = min(largest, width * (Double(accepted + 1) / Double(refused + 1)).squareRoot())
        accepted = 0
        refused = 0
    }
}
