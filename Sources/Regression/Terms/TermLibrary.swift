/// The candidate terms, in one order: K = 15, 30, 50, 80 and 100 are its first K.
public enum TermLibrary {
    /// The numbers of terms that are offered.
    public static let sizes = [15, 30, 50, 80, 100]

    /// The first `count` terms.
    public static func prefix(_ count: Int) -> [Term] { Array(all.prefix(count)) }

    private static func u(_ n: String, _ a: Double, _ b: Double) -> BoundedParameter { .uniform(n, a, b) }
    private static func l(_ n: String, _ a: Double, _ b: Double) -> BoundedParameter { .logUniform(n, a, b) }
    /// Places on the axis, and widths.
    private static let at = u("c", 1, 9), wide = l("w", 0.2, 2)

    public static let all: [Term] =
        [
            // 1 … 15
            Term("constant", "1", .power(0)),
            Term("linear", "x/10", .power(1)),
            Term("square", "(x/10)^2", .power(2)),
            Term("root", "sqrt(x/10)", .power(0.5)),
            Term("logarithm", "ln(1+x)/ln 11", .logarithm),
            Term("decay", "exp(-{r} x)", .decay, l("r", 0.1, 2)),
            Term("sine", "sin({w} x)", .sine, l("w", 0.5, 5)),
            Term("cosine", "cos({w} x)", .cosine, l("w", 0.5, 5)),
            Term("step", "step(x-{c})", .step, at),
            Term("hinge", "max(0,x-{c})/5", .hinge, at),
            Term("bump", "exp(-(x-{c})^2/(2 {w}^2))", .bump, at, wide),
            Term("damped-sine", "exp(-{r} x) sin({w} x)", .dampedSine, l("w", 0.8, 8), l("r", 0.05, 1)),
            Term("chirp", "sin({w} x^2/10)", .chirpSine, l("w", 0.5, 4)),
            Term("rational", "1/(1+{r} x)", .rational, l("r", 0.2, 5)),
            Term("sigmoid", "1/(1+exp(-(x-{c})/{w}))", .sigmoid, at, l("w", 0.15, 1.5)),
            // … 30
            Term("cube", "(x/10)^3", .power(3)),
            Term("fourth-power", "(x/10)^4", .power(4)),
            Term("cube-root", "cbrt(x/10)", .power(1.0 / 3)),
            Term("peak", "1/(1+((x-{c})/{w})^2)", .peak, at, wide),
            Term("growth", "exp({r} (x-10))", .growth, l("r", 0.1, 2)),
            Term("gamma", "{r} x exp(1-{r} x)", .gamma, l("r", 0.2, 2)),
            Term("fast-sine", "sin({w} x)", .sine, u("w", 5, 12)),
            Term("fast-cosine", "cos({w} x)", .cosine, u("w", 5, 12)),
            Term("square-wave", "tanh(5 sin({w} x))", .squareWave, l("w", 0.6, 5)),
            Term("triangle-wave", "(2/pi) asin(0.99 sin({w} x))", .triangleWave, l("w", 0.6, 5)),
            Term("distance", "|x-{c}|/5", .distance, at),
            Term("power", "(x/10)^{p}", .freePower, l("p", 0.2, 6)),
            Term("saturation", "x/({c}+x)", .saturation, l("c", 0.1, 5)),
            Term("box", "box({c} < x < {c}+{w})", .box, u("c", 0.5, 8), l("w", 0.4, 4)),
            Term("damped-cosine", "exp(-{r} x) cos({w} x)", .dampedCosine, l("w", 0.8, 8), l("r", 0.05, 1)),
            // … 50
            Term("chirp-cosine", "cos({w} x^2/10)", .chirpCosine, l("w", 0.5, 4)),
            Term("growing-sine", "(x/5) sin({w} x)", .growingSine, l("w", 0.5, 5)),
            Term("growing-cosine", "(x/5) cos({w} x)", .growingCosine, l("w", 0.5, 5)),
            Term("logarithmic-sine", "sin({w} ln(1+x))", .logarithmicSine, l("w", 1, 10)),
            Term("sawtooth", "(2/pi) atan(sin({w} x)/(1.05+cos({w} x)))", .sawtooth, l("w", 0.6, 5)),
            Term("hinge-below", "max(0,{c}-x)/5", .hingeBelow, at),
            Term("hat", "(1-u^2) exp(-u^2/2), u=(x-{c})/{w}", .hat, at, wide),
            Term("slope", "u exp((1-u^2)/2), u=(x-{c})/{w}", .slope, at, wide),
            Term("packet", "exp(-(x-{c})^2/(2 {w}^2)) cos({f} (x-{c}))", .packet, at, l("w", 0.5, 2), l("f", 2, 8)),
            Term("tent", "max(0,1-|x-{c}|/{w})", .tent, at, l("w", 0.4, 4)),
            Term("free-logarithm", "ln(1+{r} x)/ln(1+10 {r})", .freeLogarithm, l("r", 0.1, 100)),
            Term("three-halves", "(x/10)^1.5", .power(1.5)),
            Term("fifth-power", "(x/10)^5", .power(5)),
            Term("slow-decay", "exp(-{r} x)", .decay, l("r", 0.01, 0.1)),
            Term("fast-decay", "exp(-{r} x)", .decay, l("r", 2, 10)),
            Term("slow-sine", "sin({w} x)", .sine, l("w", 0.1, 0.5)),
            Term("slow-cosine", "cos({w} x)", .cosine, l("w", 0.1, 0.5)),
            Term("second-bump", "exp(-(x-{c})^2/(2 {w}^2))", .bump, at, l("w", 0.1, 0.4)),
            Term("second-step", "step(x-{c})", .step, at),
            Term("second-hinge", "max(0,x-{c})/5", .hinge, at),
        ] + legendre + fourier + fixed + late

    // … 80
    private static let legendre = (2...7).map { Term("legendre-\($0)", "P\($0)(x/5-1)", .legendre($0)) }
    private static let fourier = (1...8).flatMap {
        [
            Term("fourier-sine-\($0)", "sin(2 pi \($0) x/10)", .fourierSine($0)),
            Term("fourier-cosine-\($0)", "cos(2 pi \($0) x/10)", .fourierCosine($0)),
        ]
    }
    private static let fixed =
        [("2.5", 2.5), ("5", 5), ("7.5", 7.5)].flatMap { text, at in
            [
                Term("step-at-\(text)", "step(x-\(text))", .fixedStep(at)),
                Term("hinge-at-\(text)", "max(0,x-\(text))/5", .fixedHinge(at)),
            ]
        } + [Term("bump-at-2", "exp(-(x-2)^2/2)", .fixedBump(2)), Term("bump-at-5", "exp(-(x-5)^2/2)", .fixedBump(5))]
    // … 100
    private static let late = [
        Term("second-sine", "sin({w} x)", .sine, l("w", 0.5, 5)),
        Term("second-cosine", "cos({w} x)", .cosine, l("w", 0.5, 5)),
        Term("third-bump", "exp(-(x-{c})^2/(2 {w}^2))", .bump, at, wide),
        Term("second-peak", "1/(1+((x-{c})/{w})^2)", .peak, at, l("w", 0.1, 0.5)),
        Term("second-sigmoid", "1/(1+exp(-(x-{c})/{w}))", .sigmoid, at, l("w", 0.15, 1.5)),
        Term("second-damped-sine", "exp(-{r} x) sin({w} x)", .dampedSine, l("w", 0.8, 8), l("r", 0.05, 1)),
        Term("fast-chirp", "sin({w} x^2/10)", .chirpSine, l("w", 4, 8)),
        Term("fast-chirp-cosine", "cos({w} x^2/10)", .chirpCosine, l("w", 4, 8)),
        Term("second-box", "box({c} < x < {c}+{w})", .box, u("c", 0.5, 8), l("w", 0.4, 4)),
        Term("second-packet", "exp(-(x-{c})^2/(2 {w}^2)) cos({f} (x-{c}))", .packet, at, l("w", 0.5, 2), l("f", 4, 12)),
        Term("second-rational", "1/(1+{r} x)", .rational, l("r", 5, 50)),
        Term("second-gamma", "{r} x exp(1-{r} x)", .gamma, l("r", 2, 8)),
        Term("second-distance", "|x-{c}|/5", .distance, at),
        Term("second-tent", "max(0,1-|x-{c}|/{w})", .tent, at, l("w", 0.4, 4)),
        Term("second-slope", "u exp((1-u^2)/2), u=(x-{c})/{w}", .slope, at, wide),
        Term("second-hat", "(1-u^2) exp(-u^2/2), u=(x-{c})/{w}", .hat, at, wide),
        Term("second-square-wave", "tanh(5 sin({w} x))", .squareWave, u("w", 5, 10)),
        Term("second-growing-sine", "(x/5) sin({w} x)", .growingSine, u("w", 5, 10)),
        Term("bump-at-8", "exp(-(x-8)^2/2)", .fixedBump(8)),
        Term("sixth-power", "(x/10)^6", .power(6)),
    ]
}
