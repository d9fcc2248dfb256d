/**
 * The names a device may have: 1 to 64 code points, at least one visible. No control characters, line breaks, bidi
 * controls or lone surrogates. So a name cannot pass for anything else on a page or in a terminal. Joiners are allowed:
 * some scripts and emoji need them.
 *
 * @see Unicode Technical Report #36, Unicode Security Considerations, section 2.6
 */
export const DEVICE_NAME =
  /^(?=.*[^\p{White_Space}\p{Default_Ignorable_Code_Point}])[^\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_Control}]{1,64}$/u;
