import CKernels

extension Term.Form {
    /// The kernel that fills it, with the second number where it is a fixed one; nil where Swift does.
    var kernel: (code: Int32, second: Double?)? {
        let code: Int
        switch self {
        case .decay: code = PK_CURVE_DECAY
        case .growth: code = PK_CURVE_GROWTH
        case .gamma: code = PK_CURVE_GAMMA
        case .rational: code = PK_CURVE_RATIONAL
        case .saturation: code = PK_CURVE_SATURATION
        case .freePower: code = PK_CURVE_FREE_POWER
        case .freeLogarithm: code = PK_CURVE_FREE_LOGARITHM
        case .sine: code = PK_CURVE_SINE
        case .cosine: code = PK_CURVE_COSINE
        case .squareWave: code = PK_CURVE_SQUARE_WAVE
        case .triangleWave: code = PK_CURVE_TRIANGLE_WAVE
        case .sawtooth: code = PK_CURVE_SAWTOOTH
        case .dampedSine: code = PK_CURVE_DAMPED_SINE
        case .dampedCosine: code = PK_CURVE_DAMPED_COSINE
        case .chirpSine: code = PK_CURVE_CHIRP_SINE
        case .chirpCosine: code = PK_CURVE_CHIRP_COSINE
        case .growingSine: code = PK_CURVE_GROWING_SINE
        case .growingCosine: code = PK_CURVE_GROWING_COSINE
        case .logarithmicSine: code = PK_CURVE_LOGARITHMIC_SINE
        case .step: return (Int32(PK_CURVE_SIGMOID), 0.05)
        case .sigmoid: code = PK_CURVE_SIGMOID
        case .bump: code = PK_CURVE_BUMP
        case .peak: code = PK_CURVE_PEAK
        case .box: code = PK_CURVE_BOX
        case .hat: code = PK_CURVE_HAT
        case .slope: code = PK_CURVE_SLOPE
        case .packet: code = PK_CURVE_PACKET
        default: return nil
        }
        return (Int32(code), nil)
    }
}
