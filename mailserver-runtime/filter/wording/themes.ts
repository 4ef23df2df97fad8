/**
 * What unwanted mail talks about, as phrases with points: written from what such mail has said for twenty years, not from
 * one collection. No phrase alone makes spam; a theme counts at most its `most`.
 *
 * A phrase is words as `words.ts` gives them. `a|b` stands for either word, `word?` may be left out, `#` is a word with a
 * digit in it, `*` is any one word.
 */
export interface Theme {
  readonly name: string;
  /** What the reason says of it. */
  readonly about: string;
  readonly most: number;
  /** Points → phrases, separated by commas. */
  readonly phrases: readonly (readonly [points: number, phrases: string])[];
}

export const themes: readonly Theme[] = [
  {
    name: "ADVANCE_FEE",
    about: "a fortune that waits for the reader's help",
    most: 7,
    phrases: [
      [
        2,
        "next of kin, foreign partner, deceased customer|client|depositor, transfer of this fund|funds|money, inheritance fund|funds, unclaimed fund|funds|inheritance, consignment box|boxes, diplomatic courier|agent, your compensation fund|payment, million united states dollars, million us dollars, million usd, million british pounds, million dollars only, central bank of nigeria, federal republic of nigeria, my late husband|father|client|president, late president, cancer of the, contact my lawyer|barrister, repatriate, fund beneficiary, beloved in christ, dear beloved, dying of cancer, give you # of the, # of the total sum, trunk box|boxes, mutual business proposal, business proposal for you, your bank account where, dormant account, claim of the fund|funds, orphanages and, charity organization|organisation",
      ],
      [
        1,
        "strictly confidential, utmost confidentiality, utmost secrecy, confidential business, urgent business|assistance|response, your urgent response|reply, sum of #, the sum of, western union, moneygram, security company, beneficiary, barrister, solicit your|for, i am mr|mrs|dr|barrister|prince|engr, dear friend, greetings to you, compliments of the season, god bless you, transfer the money|fund|funds, foreign account, without any risk, risk free transaction, your full name|names, your private telephone|phone, atm card, fund transfer, treat as urgent, investment abroad, my client, widow of|to, military|civil war|coup, nigeria, lagos, abidjan, cote d'ivoire, sierra leone, burkina faso, johannesburg, zaire",
      ],
    ],
  },
  {
    name: "LOTTERY",
    about: "a prize nobody played for",
    most: 6,
    phrases: [
      [
        2,
        "you have won, you've won, you are a winner, winning notification|number|numbers, lucky winner|winners, claim your prize|winnings|reward|award|gift, lottery winner|winners|prize|award|promotion|international, prize award|money|claim, your email address|id was selected, email lottery, award notification, won the sum, cash prize, claims agent, fiduciary agent",
      ],
      [
        1,
        "congratulations you, you have been selected|chosen, lottery, sweepstakes, you are the lucky, exclusive reward, complete the survey, short survey, gift card worth, unlock your",
      ],
    ],
  },
  {
    name: "PHARMACY",
    about: "pills and what they promise",
    most: 6,
    phrases: [
      [
        2.5,
        "viagra, cialis, levitra, v1agra, vi@gra, viagara, c1alis, xanax, valium, vicodin, phentermine, ambien, tramadol, online pharmacy|drugstore, canadian pharmacy, no prescription, without prescription, without a prescription, male enhancement, penis enlargement|size|growth|pills, enlarge your, erectile dysfunction, human growth hormone, weight loss pill|pills|miracle, diet pill|pills, breast enlargement|enhancement",
      ],
      [
        1.2,
        "lose weight, lose # pounds|lbs|kg|kilos, weight loss, burn fat, fat burner|burning, hgh, herbal remedy|viagra|supplement, sexual performance|stamina|desire, penis, libido, prescription drugs|medication|medications, generic drugs|meds, pharmacy, anti aging, hair loss, stop snoring, wrinkle|wrinkles, cellulite, keto gummies|diet, cbd gummies|oil, blood sugar secret|trick, doctors hate, belly fat, metabolism, look younger|#, muscle mass, testosterone, tinnitus, prostate, younger looking",
      ],
    ],
  },
  {
    name: "LOANS",
    about: "loans, debts and insurance",
    most: 5,
    phrases: [
      [
        1.8,
        "mortgage rate|rates|quote|quotes|lenders, refinance your|today, lowest mortgage|interest rate|rates, debt consolidation|elimination|relief, eliminate your? debt|debts, consolidate your|all, bad credit ok|okay|no, no credit check|checks, credit repair, repair your credit, get out of debt, term life insurance, life insurance quote|quotes, auto insurance quote|quotes, home equity loan|loans, pre approved, instant approval, loan offer|approval|approved, apply for a loan, # interest rate, unsecured loan|loans, business loan|loans|capital, cash advance, cash grants, government grants, your credit rating|report|score, stop creditors, harassing calls",
      ],
      [
        0.8,
        "mortgage, refinance, interest rate|rates, homeowner|homeowners, lenders compete, insurance premium|premiums, free quote|quotes, no upfront, bad credit, your debt|debts, credit card debt|debts, loan amount, fast cash, extra cash",
      ],
    ],
  },
  {
    name: "EASY_MONEY",
    about: "money that is easily made",
    most: 5,
    phrases: [
      [
        1.8,
        "make money fast|online|from, making money from|at|online, work from home, work at home, home based business|businesses, be your own boss, financial freedom|independence, multi level marketing, mlm, get rich, residual income, extra income, unlimited income|earning|earnings, earn # a|per, earn up to, earn thousands, make # a|per|in, # a|per week|month|day from, your own business from, business opportunity|opportunities, no experience needed|necessary|required, potential earnings, income potential, cash flow system, quit your job, pyramid scheme, this is not a|spam scam|chain|mlm|get, chain letter, six figure income, passive income, part time income, secret system, turn # into, proven system, money making, financially independent, millionaire|millionaires",
      ],
      [
        0.8,
        "100% legal, perfectly legal, money back guarantee, risk free, no risk, no obligation, no investment, no selling, no cost to you, step by step system, success story|stories, download our free, your dreams, six figures, free report|cd|book|tape, the internet's, while you sleep, per week, an hour from, start earning",
      ],
    ],
  },
  {
    name: "INVESTMENT",
    about: "shares and coins that can only rise",
    most: 5,
    phrases: [
      [
        1.8,
        "double your bitcoin|money|investment|crypto, guaranteed returns|return|profit|profits, crypto investment|trading|giveaway, bitcoin investment|trading|profit|code|era, trading bot|signals|robot, penny stock|stocks, hot stock|stocks, strong buy, stock alert|pick|picks, forward looking statements, otc bb, otcbb, investment newsletter, explosive growth, undervalued company|stock, return on your investment|capital, daily profit|profits|returns, minimum investment|deposit, recover your lost, lost bitcoin|crypto, airdrop, connect your wallet, seed phrase, elon musk",
      ],
      [
        0.7,
        "bitcoin, btc, forex, crypto, investors, trading platform, short term target, target price, investment opportunity|opportunities|plan, stock price, shares outstanding, huge profits|profit, high yield, offshore, cryptocurrency",
      ],
    ],
  },
  {
    name: "EXTORTION",
    about: "a threat with what somebody claims to have seen",
    most: 8,
    phrases: [
      [
        2.5,
        "recorded you, video of you, your webcam|camera, i hacked your|you, i have hacked, hacked your account|device|computer|operating, infected your|with my, malware on your, remote access tool, all your contacts|files, i know your password, your password is, my bitcoin wallet|address, bitcoin wallet|address, masturbating|masturbation|masturbate, pleasuring yourself, porn|pornographic|adult site|sites|website|websites, you visited, hours to pay|send|make, send me # in|dollars|usd, i will send|share|publish|delete the|this|your, split screen, keylogger, dirty secret|secrets",
      ],
      [
        1,
        "bitcoin, btc wallet|address, pay me, your friends and, family and colleagues, double screen, perverted, pixel in, do not reply to this, blackmail",
      ],
    ],
  },
  {
    name: "ACCOUNT_PHISHING",
    about: "an account that must be confirmed at once",
    most: 6,
    phrases: [
      [
        1.8,
        "verify|confirm|update|validate your account|identity|information|details|payment|billing|mailbox|email|records|password, account has been|will|is|was suspended|limited|locked|disabled|deactivated|restricted|blocked|terminated|hold, account has been temporarily|permanently, account will be suspended|limited|locked|disabled|deactivated|restricted|closed|terminated|deleted|blocked, has been suspended|limited|compromised, unusual|suspicious|unauthorized sign|login|activity|activities|access|transaction|transactions, click here|below to verify|confirm|update|restore|validate|upgrade|avoid|keep|reactivate, your mailbox|account|storage|quota is|has almost|exceeded|full|reached, mailbox is|has almost|full|exceeded, exceeded your|the storage|mailbox|quota|limit, password will|is|expires|expired expire|expires|today|about, keep my|your password|same, avoid|prevent suspension|termination|deactivation|closure|interruption, restore your? access, account verification|update|suspension|validation|confirmation, re activate|validate your, failure to comply|verify|do|update|confirm, your online banking|access, security alert|notice, restore your account, billing information|problem|failed, payment was|has declined|failed|unsuccessful, incoming messages|mails on|are|pending|were, pending messages|mails|emails, release messages|mails, review your account, webmail|email|mail administrator|upgrade|helpdesk, it helpdesk, new sign in",
      ],
      [
        0.7,
        "dear customer|user|client|member|subscriber|webmail, dear valued customer|member|user, dear account|email|mail|paypal|bank user|owner|holder|customer|member, within # hours, within 24|48|72 hours, security department|team|reasons, sign in to, log in to, login to, sign in below|here, account information|details, social security number, credit card number, your paypal|apple|netflix|amazon|microsoft|office|bank account|id, follow the link, link below, click the button|link, immediate|immediately action|attention|required, action required, unauthorized, for your protection, suspend|suspended|suspension, expire|expires|expired today|soon, terms of service violation",
      ],
    ],
  },
  {
    name: "PARCEL",
    about: "a parcel that waits for a fee",
    most: 5,
    phrases: [
      [
        1.8,
        "package|parcel|shipment|delivery could|has|is|was not|been|on|pending|waiting|returned|stopped hold|delivered|for|delivery|suspended, delivery|shipping|customs|redelivery fee|fees, reschedule your? delivery, your package|parcel is|has|could|was|cannot, confirm your? shipping|delivery address, unable to deliver, delivery attempt|failed, track your package|parcel, unpaid shipping|customs|toll, outstanding toll",
      ],
      [0.6, "usps, fedex, dhl express, royal mail, tracking number|code, shipping address, delivery company"],
    ],
  },
  {
    name: "ADULT",
    about: "sex",
    most: 6,
    phrases: [
      [
        2.2,
        "xxx, porn, pornstars|pornstar, hot girls|sluts|teens|babes|chicks, live sex|girls|cams, adult dating|personals|site|sites|entertainment|content|videos|movies, sex dating|site|toys|pics|videos|movies|partner, horny, lonely wives|housewives|women, webcam girls|girl|site, barely legal, hardcore, hard core, teen sex|sluts|pussy, sluts, pussy, cum, cumshots, blowjob|blowjobs, fuck|fucking, nude|naked girls|women|teens|celebs|pics|photos, hook up tonight|now, local singles|girls|women|milfs, russian|asian|ukrainian brides|women|girls|ladies, must be 18|21|over, over 18|21 years, 18 years or|of, sexy singles|girls|women|photos, girls in your, wants to meet you, one night stand, private photos",
      ],
      [
        0.8,
        "sex, sexy, nude, naked, erotic, adult, girls, singles, lesbian|lesbians, orgasm|orgasms, dating site, wild",
      ],
    ],
  },
  {
    name: "SELLING",
    about: "the loud voice of advertising",
    most: 3.5,
    phrases: [
      [
        1,
        "act now, order now|today, call now, buy now, limited time offer|only, once in a lifetime, as seen on, while supplies last, special promotion, this is not spam, this is not unsolicited, this e? mail is|was sent in, never receive another, be removed from|please|send|click|simply|reply, to be removed, remove in the, remove me in, word remove, subject remove, remove from|your, removed from our|this|future|the|any, section 301, s 1618, bill s, paragraph a 2, bulk e? mail|email|mailing|mailer|emailing, million e? mail|email|addresses, targeted e? mail|email, email addresses|marketing|advertising|campaign, mass mailing|email, opt in list|email|mailing|lists, one time mailing|email|offer|message, we apologize for|if, extremely limited, toll free, 100% free|guaranteed|satisfaction|risk|natural, satisfaction guaranteed, lowest price|prices, amazing offer|deal|new|product|results, save up to|big|thousands|hundreds|#, huge savings|discount, free trial|gift|sample|samples|membership|access|consultation|vacation|cell|phone|leads|preview|tour|dvd|information|info|offer, absolutely free, don't delete|miss, don't miss this|out, special offer|price, dear friend|sir|madam|homeowner|consumer, online marketing, not intended for residents, guaranteed to, incredible offer|opportunity|deal, no catch, no strings, we accept credit|visa, visa|mastercard or, print this, new low price, cash bonus, claim your free, join millions, hurry",
      ],
      [
        0.4,
        "click here|below|now, free, offer, unsubscribe, opt out, guarantee|guaranteed, discount|discounts, amazing, exclusive, promotion, advertisement, mailing list, bonus, congratulations, % off, act today, cheap, wholesale, instantly, visit our, our website, unlimited, special, limited time, sale, !!, $$$, winner, best price|prices|deals, marketing, satisfaction",
      ],
    ],
  },
  {
    name: "PROMOTING_SERVICES",
    about: "an offer to bring visitors, leads or workers",
    most: 4,
    phrases: [
      [
        1.5,
        "search engine optimization|optimisation|ranking|rankings|submission|submissions|placement, first|1st page of|on google, top of google, page one of google, seo services|service|expert|audit|packages|company, web design|development services|service|company|agency, website redesign|design|traffic, increase your? traffic|sales|rankings|visibility|business|hits, guest post|posts|posting, backlinks, da|dr domain, mobile|app development company|services, lead|leads generation|list, email|contact|attendees|attendee list|database|lists, outsourcing company, virtual assistant|assistants, search engines, your website's|site's, more traffic|customers|hits|visitors, submit your|it site|to, high ranking|quality backlinks, merchant account|accounts, accept credit cards, fax broadcasting, digital marketing services|agency|company, wikipedia page, price list and",
      ],
      [
        0.5,
        "seo, ranking|rankings, web hosting, website, traffic, digital marketing, potential customers|clients, free quote, proposal for, online presence",
      ],
    ],
  },
  {
    name: "DUBIOUS_GOODS",
    about: "goods of a doubtful kind",
    most: 5,
    phrases: [
      [
        1.8,
        "replica watch|watches|rolex|handbags, rolex, oem software, cheap software|oem, university diploma|diplomas|degree|degrees, non accredited universities, diploma|degree in|from|based|with no|life|prestigious, no tests|exams|classes|examinations, cable|tv descrambler|descramblers, descrambler, spy software|camera|on, toner|inkjet cartridge|cartridges, online casino|casinos|gambling|poker, casino bonus|games, free spins, sports betting, dvd copy|copying|backup, copy any|your dvd|dvds, find out anything|everything, background check|checks, internet detective|spy, pheromone|pheromones, gambling, detective|investigator software, discount cigarettes, norton systemworks, systemworks, satellite tv, cigarettes, miracle, psychic, timeshare, herbal alternative|smoke, legal marijuana, cable boxes, x10, ultrasonic, home warranty, car|auto warranty, solar panels, gutter|walk|bathtub guards|in, survival kit|tool, tactical flashlight",
      ],
    ],
  },
  {
    name: "PAYMENT_FRAUD",
    about: "a payment or a purchase in a hurry, in somebody's name",
    most: 5,
    phrases: [
      [
        1.8,
        "gift cards|card for|from|to|asap|today|and, purchase some|gift gift|cards, are you available|free|at, are you at your, wire transfer, change|update my|your|our direct|bank|payroll deposit|details|account|information, new bank account|details, bank details have|has|changed, direct deposit, your cell|mobile|whatsapp number, overdue|outstanding|unpaid invoice|invoices|payment, enable content|editing|macros, attached|enclosed invoice|fax|voicemail|voice|purchase|payment|document|swift, see the attached invoice|document|purchase|order, payment advice|slip|copy|confirmation, purchase order attached|is, swift copy, revised invoice, remittance advice, new voicemail|voice|fax message|received, received a fax|voice|voicemail, document has been|was shared, shared a document|file, secure document|message, view|review document|the document|shared, docusign, urgent payment|task|request, handle a|this task",
      ],
      [
        0.6,
        "kindly, asap, urgent, at the earliest, confirm receipt, proforma, quotation, scan the, qr code, in a meeting",
      ],
    ],
  },
];
