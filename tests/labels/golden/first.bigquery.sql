SELECT
  `t2`.`play_id`,
  `t15`.`impression_id`,
  `t2`.`user_id`,
  `t2`.`item_id`,
  `t2`.`played_at`,
  `t15`.`t0`,
  COALESCE(`t15`.`credit`, CAST(1 AS FLOAT64)) AS `credit`
FROM `plays` AS `t2`
LEFT OUTER JOIN (
  SELECT
    `t13`.*
    EXCEPT (`place`)
  FROM (
    SELECT
      `t12`.`play_id`,
      `t12`.`impression_id`,
      `t12`.`t0`,
      `t12`.`place`,
      CAST('1' AS FLOAT64) AS `credit`
    FROM (
      SELECT
        `t11`.`play_id`,
        `t11`.`impression_id`,
        `t11`.`t0`,
        ROW_NUMBER() OVER (PARTITION BY `t11`.`play_id` ORDER BY `t11`.`t0` ASC, `t11`.`impression_id` ASC) - 1 AS `place`
      FROM (
        SELECT
          `t10`.`play_id`,
          `t10`.`impression_id`,
          `t10`.`t0`
        FROM (
          SELECT
            `t4`.`play_id`,
            `t9`.`impression_id`,
            `t9`.`t0`,
            `t4`.`played_at`
          FROM (
            SELECT
              `t7`.`impression_id`,
              `t7`.`user_id`,
              `t7`.`item_id`,
              `t7`.`t0`
            FROM (
              SELECT
                `t6`.*
                EXCEPT (`place`)
              FROM (
                SELECT
                  *
                FROM (
                  SELECT
                    `t1`.`impression_id`,
                    `t1`.`user_id`,
                    `t1`.`item_id`,
                    `t1`.`t0`,
                    `t1`.`viewable`,
                    `t1`.`viewable_ms`,
                    `t1`.`surface`,
                    `t1`.`clicked_at`,
                    ROW_NUMBER() OVER (
                      PARTITION BY `t1`.`user_id`, `t1`.`item_id`, `t1`.`t0`
                      ORDER BY `t1`.`t0` ASC, `t1`.`impression_id` ASC
                    ) - 1 AS `place`
                  FROM `impressions` AS `t1`
                ) AS `t5`
                WHERE
                  `t5`.`place` = 0
              ) AS `t6`
            ) AS `t7`
          ) AS `t9`
          INNER JOIN (
            SELECT
              `t0`.`play_id`,
              `t0`.`user_id`,
              `t0`.`item_id`,
              `t0`.`played_at`,
              TIMESTAMP_SUB(`t0`.`played_at`, INTERVAL '86400' SECOND) AS `opens`,
              TIMESTAMP_SUB(`t0`.`played_at`, INTERVAL '0' SECOND) AS `closes`
            FROM `plays` AS `t0`
          ) AS `t4`
            ON `t9`.`user_id` = `t4`.`user_id`
            AND `t9`.`item_id` = `t4`.`item_id`
            AND `t9`.`t0` > `t4`.`opens`
            AND `t9`.`t0` <= `t4`.`closes`
        ) AS `t10`
      ) AS `t11`
    ) AS `t12`
    WHERE
      `t12`.`place` = 0
  ) AS `t13`
) AS `t15`
  ON `t2`.`play_id` = `t15`.`play_id`
