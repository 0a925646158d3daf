import ModelSpace

/// How water diffuses, to second order in b and whatever its compartments: its mean tensor, and what its microscopic
/// tensors have in common whatever their directions.
///
/// Water is taken as parts i, the share w_i of the signal each, that diffuse by a tensor D_i of eigenvalues λ: a stick
/// (0, 0, d), a zeppelin (d⊥, d⊥, d∥), each of a dispersed compartment's directions, each diffusivity of a gamma
/// distribution. Then
///
///     D  = Σ w_i D_i                       the signal's initial slope: A(b, g) = 1 − b gᵀDg + O(b²)
///     MD = tr D / 3,   FA² = 3/2 Var λ / ⟨λ²⟩ of D's eigenvalues
///     µFA² = 3/2 Σ w_i Var λ_i / Σ w_i ⟨λ_i²⟩
///
/// with ⟨ ⟩ and Var over a tensor's three eigenvalues, λ̄ their mean. MD and FA are what a tensor fit would find at so
/// low a b that kurtosis does not matter. µFA is the root of C_µ of q-space trajectory imaging: FA where all parts are
/// alike and lie along each other, and of sticks 1 however they cross or fan. It is what the signal's average over
/// directions g says of anisotropy, 1 − b MD + b²/2 Σ w_i [λ̄_i² + 2/5 Var λ_i] + O(b³). (Some divide by
/// Σ w_i Var λ_i + MD² instead, which differs where the λ̄_i do and may exceed 1.)
///
/// Restricted water is Gaussian in the phase approximation, with a tensor that depends on the pulses' timing (`Walls`).
/// Where a NODDI bundle's outside is one Gaussian of an averaged tensor, that is its microscopic tensor.
/// - Source: Basser & Pierpaoli, J Magn Reson B 111 (1996) 209 (FA); Westin et al., NeuroImage 135 (2016) 345 (µFA;
///   DIPY's `ufa`); Lasič et al., Front Phys 2 (2014) 11, and Szczepankiewicz et al., NeuroImage 104 (2015) 241 (that
///   with MD²).
public struct WaterDiffusion: Sendable, Equatable {
    /// D, mm²/s.
    public private(set) var tensor = SymmetricMatrix3()
    /// Σ w_i ⟨λ_i²⟩ and Σ w_i λ̄_i², mm⁴/s².
    public private(set) var squares = 0.0, squaredMeans = 0.0

    /// None.
    public init() {}

    /// One tensor.
    public init(_ tensor: SymmetricMatrix3) {
        self.tensor = tensor
        (squares, squaredMeans) = (Self.square(tensor) / 3, tensor.mean * tensor.mean)
    }

    /// Tensors of d⊥ = across and d∥ = across + along, whose axes n have the mean dyad ⟨nnᵀ⟩.
    init(across: Double, along: Double, dyad: SymmetricMatrix3) {
        tensor = dyad.scaled(along, plus: across)
        let parallel = across + along, mean = across + along / 3
        (squares, squaredMeans) = ((2 * across * across + parallel * parallel) / 3, mean * mean)
    }

    /// Adds a part of the water.
    /// - Parameter spread: ρ of a gamma distribution by which its tensors are multiplied, of mean 1 and variance ρ².
    mutating func add(_ part: WaterDiffusion, weight: Double, spread: Double = 0) {
        tensor.add(part.tensor, weight: weight)
        let size = weight * (1 + spread * spread)
        squares += size * part.squares
        squaredMeans += size * part.squaredMeans
    }

    /// MD, mm²/s.
    public var meanDiffusivity: Double { tensor.mean }
    /// FA, from 0 to 1; 0 where nothing moves.
    public var anisotropy: Double { Self.anisotropy(Self.square(tensor) / 3, tensor.mean * tensor.mean) }
    /// µFA, from 0 to 1; 0 where nothing moves.
    public var microscopicAnisotropy: Double { Self.anisotropy(squares, squaredMeans) }

    private static func anisotropy(_ squares: Double, _ squaredMeans: Double) -> Double {
        squares > 0 ? min(1, max(0, 1.5 * (1 - squaredMeans / squares)).squareRoot()) : 0
    }

    /// Σ of squared eigenvalues.
    private static func square(_ t: SymmetricMatrix3) -> Double {
        t.xx * t.xx + t.yy * t.yy + t.zz * t.zz + 2 * (t.xy * t.xy + t.xz * t.xz + t.yz * t.yz)
    }
}

// The exponents of every form are proportional to b: at b = 1 they are the tensor.

extension Shell {
    /// b = 1 s/mm².
    fileprivate static func unit(_ timing: PulseTiming?) -> Shell {
        Shell(b: 1, smallDelta: timing?.duration, bigDelta: timing?.separation)
    }
}

extension IsotropicCompartment {
    public func diffusion(_ p: UnsafePointer<Double>, _ timing: PulseTiming?) -> WaterDiffusion {
        WaterDiffusion(SymmetricMatrix3().scaled(0, plus: exponent(p, .unit(timing))))
    }
}

extension AxialCompartment {
    public func diffusion(_ p: UnsafePointer<Double>, _ timing: PulseTiming?) -> WaterDiffusion {
        let e = exponents(p, .unit(timing))
        return WaterDiffusion(across: e.across, along: e.along, dyad: SymmetricMatrix3(dyad: p + (width - 3)))
    }
}

extension QuadraticCompartment {
    public func diffusion(_ p: UnsafePointer<Double>, _ timing: PulseTiming?) -> WaterDiffusion {
        withUnsafeTemporaryAllocation(of: Double.self, capacity: 6) { t in
            tensor(p, into: t.baseAddress!)
            return WaterDiffusion(SymmetricMatrix3(xx: t[0], yy: t[1], zz: t[2], xy: t[3], xz: t[4], yz: t[5]))
        }
    }
}

extension DispersedCompartment {
    public func diffusion(_ p: UnsafePointer<Double>, _ timing: PulseTiming?) -> WaterDiffusion {
        let dyad = meanDyad(p)
        var sum = WaterDiffusion()
        for index in 0..<termCount {
            let term = term(index, p, .unit(timing))
            let part =
                averagesTensor(index)
                ? WaterDiffusion(dyad.scaled(term.along, plus: term.across))
                : WaterDiffusion(across: term.across, along: term.along, dyad: dyad)
            sum.add(part, weight: term.weight)
        }
        return sum
    }
}

extension SymmetricMatrix3 {
    /// vvᵀ.
    init(dyad v: UnsafePointer<Double>) {
        self.init()
        add(SIMD3(v[0], v[1], v[2]), weight: 1)
    }

    /// A third of the trace.
    fileprivate var mean: Double { (xx + yy + zz) / 3 }

    /// factor · self + diagonal · I.
    fileprivate func scaled(_ factor: Double, plus diagonal: Double) -> SymmetricMatrix3 {
        SymmetricMatrix3(
            xx: factor * xx + diagonal, yy: factor * yy + diagonal, zz: factor * zz + diagonal, xy: factor * xy,
            xz: factor * xz, yz: factor * yz)
    }

    fileprivate mutating func add(_ other: SymmetricMatrix3, weight: Double) {
        xx += weight * other.xx; yy += weight * other.yy; zz += weight * other.zz
        xy += weight * other.xy; xz += weight * other.xz; yz += weight * other.yz
    }
}
